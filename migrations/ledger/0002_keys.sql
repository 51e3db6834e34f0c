-- Keys of people and programs. Only digests are kept: who reads this table can show nobody a key.
create table tappet.keys (
  id           text collate "C" primary key,                -- key_<ulid>
  name         text not null,
  digest       bytea not null unique,                       -- sha256 of the key, which has 256 random bits: no salt
  scopes       text[] not null check (scopes <@ array['admin', 'operate', 'read', 'ingest'] and cardinality(scopes) > 0),
  created_at   timestamptz not null default now(),
  created_by   text not null,                               -- name of the key that made it
  last_used_at timestamptz,                                 -- to the minute
  expires_at   timestamptz,
  revoked_at   timestamptz
);
