-- The ledger: what came in, which runs it made, how each attempt ended. It is the truth; queues only carry hints.
-- Payloads are `json`, not `jsonb`: they keep the sender's key order, and hold \u0000 and lone surrogates as escapes.

create table tappet.events (
  id          text collate "C" primary key,                 -- evt_<ulid>, made by us
  name        bytea not null unique,                        -- sha256 of source, 0x1f, event_id: sources and ids may be long
  source      text not null,
  event_id    text not null,
  type        text not null,
  subject     text,
  time        text not null,                                -- RFC 3339, as the source gave it
  payload     json not null,                                -- data, and the kind's own noun: request, change, message
  received_at timestamptz not null default now()
);
create index events_by_age on tappet.events (received_at);

-- Further names of an event, where the sender's id is not signed: the same body again is the same event.
create table tappet.event_aliases (
  name        bytea primary key,
  event       text collate "C" not null,
  received_at timestamptz not null default now()
);
create index event_aliases_by_age on tappet.event_aliases (received_at);

-- No foreign keys between these tables: they are written together and retired together, and the checks would cost
-- a fifth of the accept rate.
create table tappet.runs (
  id              text collate "C" primary key,             -- run_<ulid>
  event           text collate "C" not null,
  function_id     text not null,
  trigger         smallint not null,                        -- place in the function's `on`
  idempotency_key bytea,                                    -- sha256; null: the event's own name
  state           text not null default 'accepted'
                  check (state in ('accepted', 'queued', 'running', 'completed', 'retrying', 'dead', 'cancelled')),
  attempt         int not null default 0,                   -- attempts used, the running one included
  max_attempts    int not null check (max_attempts > 0),
  lease           int not null default 0,                   -- how often it was started: the fence
  losses          int not null default 0,                   -- how often its worker or process was lost under it
  worker          text collate "C",                         -- who holds the lease
  due_at          timestamptz not null default now(),       -- may not start before
  created_at      timestamptz not null default now(),
  queued_at       timestamptz,
  started_at      timestamptz,
  finished_at     timestamptz,
  result          json,
  failure         json
);
create unique index runs_once on tappet.runs (function_id, idempotency_key) where idempotency_key is not null;
create index runs_by_event on tappet.runs (event);
create index runs_by_function on tappet.runs (function_id, id desc);
create index runs_due on tappet.runs (due_at) where state in ('accepted', 'retrying');
create index runs_queued on tappet.runs (id) where state = 'queued';
create index runs_running on tappet.runs (worker) where state = 'running';
create index runs_dead on tappet.runs (id desc) where state = 'dead';
create index runs_finished on tappet.runs (finished_at) where finished_at is not null;

-- Legal moves, the same as in src/store/run-state.ts; a test compares the two. A condition, so that the function runs for
-- illegal moves only.
create function tappet.refuse_run_move() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'run % may not move from % to %', old.id, old.state, new.state using errcode = 'check_violation';
end $$;
create trigger refuse_run_move before update of state on tappet.runs for each row
  when (old.state is distinct from new.state and new.state <> all (case old.state
    when 'accepted' then array['queued', 'running', 'cancelled', 'dead']
    when 'queued'   then array['running', 'cancelled', 'dead']
    when 'running'  then array['completed', 'retrying', 'dead', 'queued', 'cancelled']
    when 'retrying' then array['queued', 'running', 'cancelled', 'dead']
    when 'dead' then array['queued'] when 'cancelled' then array['queued'] else array[]::text[] end))
  execute function tappet.refuse_run_move();

create table tappet.attempts (
  run         text collate "C" not null,
  lease       int not null,
  number      int not null,
  outcome     text not null check (outcome in ('completed', 'retry', 'dead', 'released', 'lost', 'cancelled')),
  worker      text collate "C",
  version     text,                                         -- of the function's code
  started_at  timestamptz not null,
  finished_at timestamptz not null default now(),
  failure     json,
  primary key (run, lease)
);

create table tappet.logs (
  seq     bigint generated always as identity primary key,
  run     text collate "C" not null,
  attempt int not null,
  time    timestamptz not null,
  level   text not null,
  message text not null,
  fields  json
);
create index logs_by_run on tappet.logs (run, seq);

-- A process that runs functions. Its runs are its own for as long as its heart beats.
create table tappet.workers (
  id           text collate "C" primary key,
  host         text not null,
  pid          int not null,
  started_at   timestamptz not null default now(),
  heartbeat_at timestamptz not null default now()
);

create table tappet.schedules (
  id          text primary key,                             -- function id, '#', place in `on`
  function_id text not null,
  expression  text not null,
  timezone    text not null,
  spec        text not null,                                -- changes with anything that changes the ticks
  next_at     timestamptz,
  previous_at timestamptz,
  skipped     bigint not null default 0,                    -- ticks left out by catch-up or overlap
  served_at   timestamptz not null default now()            -- when a process last said that it has this spec
);
create index schedules_due on tappet.schedules (next_at);

create table tappet.files (
  id           text collate "C" primary key,                -- file_<ulid>; also its name on the disk
  key          text not null,
  size         bigint not null,
  content_type text not null,
  sha256       text not null,
  filename     text,
  created_at   timestamptz not null default now(),
  announced_at timestamptz                                  -- its event is in the ledger
);
create index files_by_key on tappet.files (key, created_at desc, id desc);
create index files_unannounced on tappet.files (id) where announced_at is null;

alter table tappet.runs set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
