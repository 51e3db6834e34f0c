-- What somebody is told of: what is wrong now, and the messages about it that have not been delivered.

-- One row. Whoever raises `round` looks at the ledger, and may write only while the round is still its own.
create table tappet.alert_watch (
  single    boolean primary key default true check (single),
  round     bigint not null default 0,
  looked_at timestamptz not null default '-infinity',
  memory    json not null default '{}'                      -- what a round compares with: ticks left out so far
);
insert into tappet.alert_watch default values;

create table tappet.alerts (
  kind    text not null,
  subject text not null,
  id      text collate "C" not null,                        -- alr_<ulid>: the same when it is over
  message text not null,
  since   timestamptz not null default now(),
  seen_at timestamptz not null default now(),               -- when it held last
  primary key (kind, subject)
);

create table tappet.alert_notices (
  seq         bigint generated always as identity primary key,
  id          text collate "C" not null,                    -- msg_<ulid>: the same at each try
  alert       text collate "C" not null,
  destination text not null,                                -- webhook, slack, mail; where that is, the environment says
  body        json not null,
  attempts    int not null default 0,
  due_at      timestamptz not null default now(),
  created_at  timestamptz not null default now()
);
