import { Client } from 'pg'
import { migrate } from '../../src/store/migrate.ts'
import type { OutboxRow } from '../../src/outbox/outbox.ts'

const INSERT = `
  insert into tappet.outbox (owner, kind, uid, binding, operation, schema, "table", before, after, txid,
    queue, data, key, delay, bytes, created_at)
  select 'default', r->>'kind', (r->>'uid')::uuid, r->>'binding', r->>'operation', r->>'schema', r->>'table',
    nullif((r->'before')::text, 'null')::json, nullif((r->'after')::text, 'null')::json,
    coalesce((r->>'transaction')::xid8, pg_current_xact_id()),
    r->>'queue', r->'data', r->>'key', (r->>'delayMs')::int * interval '1 ms', length(r::text),
    (r->>'time')::timestamptz
  from json_array_elements($1::json) with ordinality rows(r, n) order by n`

/** Puts rows into a database's outbox as if its triggers had, with a NOTIFY. */
export async function writeOutbox(client: Client, rows: readonly OutboxRow[]): Promise<void> {
  await client.query('begin')
  await client.query(INSERT, [JSON.stringify(rows)])
  await client.query(`select pg_notify('tappet_outbox', '')`)
  await client.query('commit')
}

export async function connectClient(url: string, more: { readonly outbox?: boolean } = {}): Promise<Client> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  if (more.outbox) await migrate(client, 'outbox')
  return client
}
