import { LATEST_SCHEMA_VERSION, runMigrations } from 'bullmq'
import { TappetError } from '../errors.ts'
import { messageOf } from './health.ts'

/** What both a pool's client and one of its own are. */
interface Client {
  query<Row>(sql: string, values?: unknown[]): Promise<{ rows: Row[] }>
}

/** Where BullMQ's tables and functions live, apart from the ledger's. */
export const QUEUE_SCHEMA = 'tappet_queue'

/**
 * BullMQ's own migrations, and settings of ours, as the owner of the schema. One process at a time; a schema that is as it
 * should be is only read.
 *
 * @throws TappetError TPT_MIGRATION_FAILED; TPT_MIGRATION_PENDING when the role may not; TPT_UNAVAILABLE.
 */
export async function migratePostgresQueue(client: Client, schema = QUEUE_SCHEMA): Promise<boolean> {
  try {
    if (!(await isPostgresQueuePending(client, schema))) return false
    const { rows } = await client.query<{ owner: string }>(OWNER, [schema])
    if (rows[0]) await client.query(`set role ${rows[0].owner}`)
    try {
      await runMigrations(client, schema)
      for (const table of await untuned(client, schema))
        await client.query(`alter table ${table} set (${TUNING.join(', ')})`)
    } finally {
      if (rows[0]) await client.query('reset role')
    }
    return true
  } catch (error) {
    throw refusal(error, schema)
  }
}

/** Whether there is anything to do. Changes nothing. */
export async function isPostgresQueuePending(client: Client, schema = QUEUE_SCHEMA): Promise<boolean> {
  const { rows } = await client.query<{ known: boolean }>('select to_regclass($1) is not null as known', [
    `${schema}.migration`,
  ])
  if (!rows[0]?.known) return true
  const applied = await client.query<{ version: number }>(
    `select coalesce(max(version), 0)::int as version from ${schema}.migration`,
  )
  if ((applied.rows[0]?.version ?? 0) < LATEST_SCHEMA_VERSION) return true
  return (await untuned(client, schema)).length > 0
}

async function untuned(client: Client, schema: string): Promise<readonly string[]> {
  const tables = TUNED_TABLES.map((table) => `${schema}.${table}`)
  const { rows } = await client.query<{ table: string }>(UNTUNED, [tables, TUNING])
  return rows.map(({ table }) => table)
}

function refusal(error: unknown, schema: string): TappetError {
  const message = `queue: expected BullMQ’s migrations to run in schema ${schema}, got: ${messageOf(error)}`
  const lacking = (error as { readonly code?: string }).code === '42501'
  const code = isAway(error) ? 'TPT_UNAVAILABLE' : lacking ? 'TPT_MIGRATION_PENDING' : 'TPT_MIGRATION_FAILED'
  return new TappetError(code, message, { cause: error })
}

const OWNER = `
  select quote_ident(r.rolname) as owner from pg_namespace n join pg_roles r on r.oid = n.nspowner
   where n.nspname = $1 and r.rolname <> current_user and pg_has_role(r.oid, 'member')`

/** Shutdown, terminated, starting up, read-only, or a line that broke. */
function isAway(error: unknown): boolean {
  const { code = '' } = error as { readonly code?: string }
  return (
    code.startsWith('57') ||
    code === '25006' ||
    code.startsWith('E') ||
    /terminat|timeout/i.test(messageOf(error))
  )
}

/** The tables that each job writes to. */
const TUNED_TABLES = ['job', 'event', 'meta'] as const
/** With the defaults, dead rows halve the speed within a minute of steady load. */
const TUNING = [
  'fillfactor=70',
  'autovacuum_vacuum_threshold=2000',
  'autovacuum_vacuum_scale_factor=0',
  'autovacuum_vacuum_cost_delay=0',
]
const UNTUNED = `
  SELECT oid::regclass::text AS table FROM pg_class
   WHERE oid = ANY ($1::regclass[]) AND NOT coalesce(reloptions, '{}') @> $2::text[]`
