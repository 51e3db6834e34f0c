-- Who has been told of what: a message comes here once its destination has taken it, or it was given up.
create table tappet.alert_told (
  id          text collate "C" primary key,                 -- that of the message
  alert       text collate "C" not null,
  destination text not null,
  body        json not null,
  attempts    int not null,
  taken       boolean not null,                             -- false: it was given up
  error       text,                                         -- why it was not taken, the last time
  created_at  timestamptz not null default now(),
  ended_at    timestamptz not null default now()
);
create index alert_told_by_alert on tappet.alert_told (alert);
create index alert_told_by_time on tappet.alert_told (created_at);

alter table tappet.alert_notices add column error text;     -- why it was not taken, the last time

-- Ticks that nobody decided in time, as they were found: what became of them is said by `made` and `catch_up`.
create table tappet.missed_ticks (
  id       bigint generated always as identity primary key,
  schedule text not null,
  found_at timestamptz not null default now(),
  first_at timestamptz not null,
  last_at  timestamptz not null,
  missed   int not null,                                    -- how many; counted up to 1,000
  made     int not null,                                    -- how many of them became events all the same
  catch_up text not null,                                   -- skip, latest, all: as it was declared then
  busy     boolean not null                                 -- none was made because an earlier run was under way
);
create index missed_ticks_by_schedule on tappet.missed_ticks (schedule, id desc);
