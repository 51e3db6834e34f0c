-- What an attempt took, on the row that is written for it anyway; null where it was not measured.
alter table tappet.attempts
  add column duration_ms real,
  add column cpu_ms      real,      -- its share of the process's
  add column peak_kb     int,       -- of the process, until then
  add column cold        boolean,   -- its process had not loaded the function yet
  add column bytes_in    int,
  add column bytes_out   int,
  add column memory_mb   int;       -- what the function may take
-- Attempts are added in the order of their ends: a summary of each stretch of the table is enough to find those of a day.
create index attempts_by_day on tappet.attempts using brin (finished_at) with (pages_per_range = 32, autosummarize = on);

-- Sums over days (UTC) that are over: they stay when the attempts are retired.
create table tappet.usage (
  day         date not null,
  function_id text not null,
  runs        bigint not null,
  attempts    bigint not null,
  failed      bigint not null,
  cold        bigint not null,
  busy_ms     float8 not null,
  failed_ms   float8 not null,
  billed_ms   float8 not null,
  gb_seconds  float8 not null,
  cpu_ms      float8 not null,
  peak_kb     int not null,
  bytes_in    bigint not null,
  bytes_out   bigint not null,
  primary key (day, function_id)
);
