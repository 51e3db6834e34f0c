-- Who is on the same machine can see for itself whether a silent worker is gone, and need not wait.
alter table tappet.workers
  add column machine text,   -- boot, PID namespace and host; null where that is not known
  add column birth   text;   -- when the process started, as the kernel counts: tells it from a later one with its pid
