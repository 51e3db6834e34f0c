-- Whoever drains may take rows away and make none: a row in the outbox is proof that a transaction wrote it. Default
-- privileges of the schema give more than that. `update (id)` is what FOR UPDATE asks for; an identity is never updated.
do $$
declare
  grantee text;
begin
  for grantee in
    select distinct quote_ident(r.rolname) from pg_class c cross join aclexplode(c.relacl) a join pg_roles r on r.oid = a.grantee
    where c.oid = 'tappet.outbox'::regclass and a.grantee <> c.relowner
  loop
    execute format('revoke insert, update, truncate, references, trigger on tappet.outbox from %s', grantee);
    execute format('grant update (id) on tappet.outbox to %s', grantee);
    execute format('revoke insert, update, delete, truncate, references, trigger on tappet.migrations from %s', grantee);
  end loop;
end $$;
