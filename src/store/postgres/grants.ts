import { escapeIdentifier } from 'pg'

/**
 * SQL that makes three roles and gives each what it needs: an owner that nobody logs in as, an installer that migrates and
 * puts triggers on tables, and the role that `tappet start` runs as. Can be run again, and over an installation that ran as one
 * role: all that it had is handed over.
 *
 * @param prefix what the names of the roles begin with.
 */
export function grantsSql(prefix: string): string {
  const [owner = '', installer = '', runtime = ''] = ['owner', 'installer', 'runtime'].map((name) =>
    escapeIdentifier(`${prefix}_${name}`),
  )
  return [
    header(owner, installer, runtime),
    roles(owner, installer, runtime),
    schemas(owner),
    rights(owner, runtime),
    OUTBOX.replaceAll('RUNTIME', runtime),
    footer(installer, runtime),
  ].join('\n\n')
}

function header(owner: string, installer: string, runtime: string): string {
  return `-- Run as a superuser in the database of DATABASE_URL: tappet db grants | psql "$ADMIN_URL"
-- ${owner}: owns Tappet's schemas; nobody logs in as it.
-- ${installer}: for \`tappet migrate\` and \`tappet db apply\`.
-- ${runtime}: for \`tappet start\`.`
}

function roles(owner: string, installer: string, runtime: string): string {
  const make = (role: string, can: string): string =>
    `  if to_regrole(${literal(role)}) is null then create role ${role} ${can}; end if;`
  return `do $$ begin
${make(owner, 'nologin')}
${make(installer, 'login')}
${make(runtime, 'login')}
  execute format('grant connect, create on database %I to ${owner}', current_database());
  execute format('grant connect on database %I to ${installer}', current_database());
  execute format('grant connect, temporary on database %I to ${runtime}', current_database());
end $$;
grant ${owner} to ${installer};`
}

/** Objects of an installation that ran as one role are handed over. */
function schemas(owner: string): string {
  return `create schema if not exists tappet;
create schema if not exists tappet_queue;
alter schema tappet owner to ${owner};
alter schema tappet_queue owner to ${owner};
do $$ declare statement text; begin
  for statement in
    select format('alter table %s owner to ${owner}', c.oid::regclass) from pg_class c
    where relnamespace in ('tappet'::regnamespace, 'tappet_queue'::regnamespace) and relkind in ('r', 'p', 'v', 'm', 'S')
      -- The sequences of columns go with their tables.
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                       and relkind = 'S' and deptype in ('a', 'i'))
    union all
    select format('alter routine %s owner to ${owner}', oid::regprocedure) from pg_proc
    where pronamespace in ('tappet'::regnamespace, 'tappet_queue'::regnamespace)
    union all
    select format('alter type %s owner to ${owner}', t.oid::regtype) from pg_type t left join pg_class c on c.oid = typrelid
    where typnamespace in ('tappet'::regnamespace, 'tappet_queue'::regnamespace)
      and (typtype in ('e', 'd', 'r') or (typtype = 'c' and c.relkind = 'c'))
  loop execute statement; end loop;
end $$;`
}

function rights(owner: string, runtime: string): string {
  const ours = 'in schema tappet, tappet_queue'
  const defaults = `alter default privileges for role ${owner} ${ours}`
  const rows = 'select, insert, update, delete'
  return `grant usage on schema tappet, tappet_queue to ${runtime};
grant ${rows} on all tables ${ours} to ${runtime};
grant usage, select on all sequences ${ours} to ${runtime};
${defaults} grant ${rows} on tables to ${runtime};
${defaults} grant usage, select on sequences to ${runtime};`
}

/** Twice, because either may come first: here, and as a migration. */
const OUTBOX = `do $$ begin
  if to_regclass('tappet.outbox') is not null then
    revoke insert, update on tappet.outbox from RUNTIME;
    grant update (id) on tappet.outbox to RUNTIME;
  end if;
  if to_regclass('tappet.migrations') is not null then
    revoke insert, update, delete on tappet.migrations from RUNTIME;
  end if;
end $$;`

function footer(installer: string, runtime: string): string {
  return `-- Left to you:
--   \\password ${installer}
--   \\password ${runtime}
--   grant <the owner of your tables> to ${installer};   -- it puts triggers on them
--   For each role of yours that sends messages in SQL:
--   grant usage on schema tappet to <role>; grant execute on function tappet.send(text, json, text, interval),
--     tappet.send(text, jsonb, text, interval), tappet.send(text, text, text, interval), tappet.once(text, text) to <role>;`
}

function literal(identifier: string): string {
  return `'${identifier.replaceAll("'", "''")}'`
}
