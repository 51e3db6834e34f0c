-- Order: the runs of a function with the same ordering key do not overlap, and start in the order in which they were
-- accepted. The first that is not over is the head and may start; the others are held until it is over. Whoever adds a
-- run to a key or ends one holds an advisory lock on the key, so that nobody is held behind a run that has just ended.

alter table tappet.runs
  add column ordering_key bytea,                            -- sha256; null: no order
  add column place bigint,                                  -- in its key
  add column held boolean not null default false,           -- waits for the head of its key
  add constraint held_runs_are_open check (not held or finished_at is null) not valid;

-- Of batches: a place is the number of its batch, and its own in it. Never with a cache, which would lose the order.
create sequence tappet.run_places cache 1;

-- No two runs of a key may start, whoever makes a mistake.
create unique index runs_head on tappet.runs (function_id, ordering_key)
  where ordering_key is not null and not held and finished_at is null;
create index runs_held on tappet.runs (function_id, ordering_key, place) where held;

-- What is held is not due, and not looked at, however many there are.
drop index tappet.runs_due;
create index runs_due on tappet.runs (held, due_at) where state in ('accepted', 'retrying');
drop index tappet.runs_queued;
create index runs_queued on tappet.runs (held, id) where state = 'queued';
