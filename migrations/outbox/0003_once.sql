-- Effects exactly once: what a run did in a transaction of its author's is recorded in that same transaction.

create table tappet.once (
  run        text collate "C" not null,
  name       text collate "C" not null,
  created_at timestamptz not null default now(),
  primary key (run, name)
);
create index once_by_age on tappet.once (created_at);
revoke all on tappet.once from public;

-- True the first time that a transaction with this run and name commits, false from then on. Somebody else's open
-- transaction with the same two is waited for. To be called between BEGIN and COMMIT, with what it guards.
-- Other roles than the owner need `usage` on the schema and `execute` on this function.
create function tappet.once(run text, name text default '') returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  first boolean;
begin
  if run is null or run !~ '^run_[0-9A-Za-z]{1,60}$' then
    raise exception 'tappet.once: run must be the id of a run, such as run_01J…, got %', quote_nullable(run)
      using errcode = 'invalid_parameter_value';
  end if;
  if name is null or length(name) > 200 then
    raise exception 'tappet.once: name must be at most 200 characters, got %', coalesce(length(name)::text, 'NULL')
      using errcode = 'invalid_parameter_value';
  end if;
  insert into tappet.once (run, name) values (run, name) on conflict do nothing;
  first := found;
  -- No run is kept, nor can be replayed, for so long.
  if random() < 0.001 then
    delete from tappet.once o where o.ctid in (
      select old.ctid from tappet.once old where old.created_at < now() - interval '400 days' limit 1000);
  end if;
  return first;
end $$;
revoke all on function tappet.once(text, text) from public;
do $$
declare
  grantee text;
begin
  for grantee in
    select distinct quote_ident(r.rolname) from pg_class c cross join aclexplode(c.relacl) a join pg_roles r on r.oid = a.grantee
    where c.oid = 'tappet.once'::regclass and a.grantee <> c.relowner
  loop
    execute format('revoke all on tappet.once from %s', grantee);
    execute format('grant execute on function tappet.once(text, text) to %s', grantee);
  end loop;
end $$;
