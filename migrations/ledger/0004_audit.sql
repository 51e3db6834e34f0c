-- Who changed what through the admin API, and how it ended. Written before the caller is answered; never changed.
create table tappet.audit (
  id       text collate "C" primary key,                    -- aud_<ulid>
  at       timestamptz not null default now(),
  key_id   text not null,                                   -- `admin`: the bootstrap key
  key_name text not null,
  action   text not null,                                   -- method and route
  target   text not null,                                   -- what the route was called for; empty: it names nothing
  status   int not null,                                    -- as it was answered
  address  text not null                                    -- of the connection: a proxy's, if there is one
);
create index audit_by_age on tappet.audit (at);
