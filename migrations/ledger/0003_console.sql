-- What people look for in the ledger, and what they do to many runs at once.

alter table tappet.events add column cause text collate "C";       -- the run that sent it
create index events_by_cause on tappet.events (cause) where cause is not null;

alter table tappet.runs add column fingerprint text collate "C";   -- of the failure: the same for failures of one kind
alter table tappet.runs add column bulk text collate "C";          -- the last bulk action that touched it
create index runs_failed on tappet.runs (id desc) where failure is not null;
create index runs_cancelled on tappet.runs (id desc) where state = 'cancelled';
create index runs_by_bulk on tappet.runs (bulk, id desc) where bulk is not null;

alter table tappet.attempts add column fingerprint text collate "C";
create index attempts_failed on tappet.attempts (finished_at) where fingerprint is not null;

-- Text of a value within JSON, null where there is none. `#>>` fails for documents that hold \u0000 or a lone surrogate.
create function tappet.json_text(document json, path text[]) returns text
language sql immutable as $$
  select case when document::text !~* '\\u(0000|d[89a-f])' then document #>> path end
$$;

-- Functions that start no runs until somebody resumes them. Every process honours it, because claims look here.
create table tappet.paused (
  function_id text primary key,
  paused_at   timestamptz not null default now(),
  paused_by   text not null                                 -- name of the key
);

-- One action on all runs that a filter finds, done in small steps by whoever is there, so that it outlives a process.
create table tappet.bulks (
  id          text collate "C" primary key,                 -- bulk_<ulid>
  action      text not null check (action in ('replay', 'cancel', 'discard')),
  filter      text not null,                                -- as it was typed
  state       text not null default 'running' check (state in ('running', 'done', 'stopped')),
  rate        int not null check (rate > 0),                -- runs a second
  total       int not null,                                 -- how many may be touched; matched when it was made
  done        int not null default 0,
  skipped     int not null default 0,                       -- had moved on before their turn
  cursor      text collate "C" not null,                    -- goes down: runs with smaller ids are still to come
  next_at     timestamptz not null default now(),
  reason      text,
  created_at  timestamptz not null default now(),
  created_by  text not null,
  finished_at timestamptz
);
create index bulks_running on tappet.bulks (next_at) where state = 'running';

-- A dead letter that nobody wants any more is cancelled: it may still be replayed, and is retired like any other.
drop trigger refuse_run_move on tappet.runs;
create trigger refuse_run_move before update of state on tappet.runs for each row
  when (old.state is distinct from new.state and new.state <> all (case old.state
    when 'accepted' then array['queued', 'running', 'cancelled', 'dead']
    when 'queued'   then array['running', 'cancelled', 'dead']
    when 'running'  then array['completed', 'retrying', 'dead', 'queued', 'cancelled']
    when 'retrying' then array['queued', 'running', 'cancelled', 'dead']
    when 'dead' then array['queued', 'cancelled'] when 'cancelled' then array['queued'] else array[]::text[] end))
  execute function tappet.refuse_run_move();
