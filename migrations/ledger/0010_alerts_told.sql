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
