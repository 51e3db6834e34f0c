-- What transactions of this database write down for Tappet: changed rows and sent messages. A row here commits or rolls
-- back with its writer; a drainer hands it on and deletes it. The database may be the ledger's or any other of the user's.

create table tappet.outbox (
  id         bigint generated always as identity primary key,  -- the order of delivery
  kind       text collate "C" not null check (kind in ('change', 'message')),
  owner      text collate "C",                                 -- change: which of the projects that share the database
  uid        uuid not null default gen_random_uuid(),          -- the event's id; a sequence would repeat after a restore
  binding    text,                                             -- change: the trigger that wrote it
  operation  text,
  schema     text,
  "table"    text,                                             -- as declared: of a partitioned table the root
  before     json,
  after      json,
  queue      text,                                             -- message
  data       json,
  key        text,
  delay      interval,
  bytes      int not null,                                     -- of the JSON: a batch is limited by them
  txid       xid8 not null default pg_current_xact_id(),
  created_at timestamptz not null default clock_timestamp()
) with (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
  toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 5000
);
revoke all on tappet.outbox from public;

-- Writes a changed row down, with the rights of Tappet, because the writer has none here. Arguments: owner, binding,
-- schema, table, columns to leave out. `json` and not `jsonb`: cheaper, in column order, and it takes \u0000.
create function tappet.capture() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  before_row json;
  after_row json;
begin
  if tg_level = 'ROW' then
    if tg_argv[4] = '{}' then
      if tg_op <> 'INSERT' then before_row := row_to_json(old); end if;
      if tg_op <> 'DELETE' then after_row := row_to_json(new); end if;
    else
      if tg_op <> 'INSERT' then before_row := tappet.row_without(old, tg_relid, tg_argv[4]::text[]); end if;
      if tg_op <> 'DELETE' then after_row := tappet.row_without(new, tg_relid, tg_argv[4]::text[]); end if;
    end if;
  end if;
  insert into tappet.outbox (kind, owner, binding, operation, schema, "table", before, after, bytes)
  values ('change', tg_argv[0], tg_argv[1], lower(tg_op), tg_argv[2], tg_argv[3], before_row, after_row,
          coalesce(pg_column_size(before_row), 0) + coalesce(pg_column_size(after_row), 0));
  -- NOTIFY takes a database-wide lock until its transaction has committed, so of all open transactions only one pays
  -- for it; the drainer looks again until the others have ended. `set tappet.wake = off` before PREPARE TRANSACTION,
  -- which refuses a NOTIFY.
  if current_setting('tappet.wake', true) is distinct from 'off' and pg_try_advisory_xact_lock(779160001, 1) then
    perform pg_notify('tappet_outbox', '');
  end if;
  return null;
end $$;
revoke all on function tappet.capture() from public;

-- A row as JSON without some columns. The second way is ten times slower, but takes values that `jsonb` cannot hold:
-- a user's write must never fail because of us.
create function tappet.row_without(row_value anyelement, relation oid, columns text[]) returns json
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  kept text;
  result json;
begin
  return (to_jsonb(row_value) - columns)::json;
exception when untranslatable_character or program_limit_exceeded then
  select coalesce(string_agg(quote_ident(attname), ', ' order by attnum), '') into kept
  from pg_attribute
  where attrelid = relation and attnum > 0 and not attisdropped and attname::text <> all (columns);
  execute format('select row_to_json(r) from (select %s from (select ($1).*) s) r', kept) into result using row_value;
  return result;
end $$;
revoke all on function tappet.row_without(anyelement, oid, text[]) from public;

-- Sends a message to a queue as part of the caller's transaction: `select tappet.send('emails', '{"to":"a@b.co"}')`.
-- A message with the key of an earlier one is a duplicate.
-- Other roles than the owner need `usage` on the schema and `execute` on the three functions `tappet.send`.
create function tappet.send(queue text, data json, key text default null, delay interval default '0') returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  message uuid;
begin
  if queue is null or queue !~ '^[^[:space:][:cntrl:]]{1,200}$' then
    raise exception 'tappet.send: queue must be 1 to 200 visible characters without spaces, got %', quote_nullable(queue)
      using errcode = 'invalid_parameter_value';
  end if;
  if data is null then
    raise exception 'tappet.send: data must be JSON, got NULL; for JSON''s null write ''null'''
      using errcode = 'null_value_not_allowed';
  end if;
  if delay is null or delay < interval '0' or delay > interval '365 days' then
    raise exception 'tappet.send: delay must be from 0 to 365 days, got %', quote_nullable(delay)
      using errcode = 'invalid_parameter_value';
  end if;
  -- Before the id is drawn: the drainer trusts that who has drawn an id also has a transaction id.
  perform pg_current_xact_id();
  insert into tappet.outbox (kind, queue, data, key, delay, bytes)
  values ('message', queue, data, key, delay, octet_length(data::text))
  returning uid into message;
  if current_setting('tappet.wake', true) is distinct from 'off' and pg_try_advisory_xact_lock(779160001, 1) then
    perform pg_notify('tappet_outbox', '');
  end if;
  return message;
end $$;

-- With these two beside it, a literal without a type and `jsonb` values go without a cast.
create function tappet.send(queue text, data jsonb, key text default null, delay interval default '0') returns uuid
language sql as $$ select tappet.send(queue, data::json, key, delay) $$;
create function tappet.send(queue text, data text, key text default null, delay interval default '0') returns uuid
language sql as $$ select tappet.send(queue, data::json, key, delay) $$;

revoke all on function tappet.send(text, json, text, interval) from public;
revoke all on function tappet.send(text, jsonb, text, interval) from public;
revoke all on function tappet.send(text, text, text, interval) from public;
