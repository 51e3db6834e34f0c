import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import type { ClientBase } from 'pg'
import { TappetError } from '../errors.ts'

/** `ledger`: events and runs. `outbox`: what a database with watched tables needs; it may be another one. */
export type MigrationSet = 'ledger' | 'outbox'

export interface Migrated {
  /** File names that were applied now, in order. */
  readonly applied: readonly string[]
}

interface Migration {
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/** Any number that nobody else uses: processes that start together migrate one after the other. */
const LOCK = 779_160_000

const FOLDER = new URL('../../migrations/', import.meta.url)

/**
 * Brings a database up to date: runs the files of `migrations/<set>` that it has not seen, in the order of their
 * names, in one transaction, as the owner of the schema. Safe to call from any number of processes at once; one that is up
 * to date is only read.
 *
 * @throws TappetError TPT_MIGRATION_FAILED when a file fails or was changed after it had been applied; TPT_MIGRATION_PENDING
 *   when the role may not do it. The database is then as before.
 */
export async function migrate(client: ClientBase, set: MigrationSet): Promise<Migrated> {
  try {
    const wanted = await readMigrations(set)
    const missing = missingOf(set, wanted, await readApplied(client, set))
    if (missing.length === 0) return { applied: [] }
    return await asOwner(client, 'tappet', async () => ({ applied: await applyMissing(client, set, wanted) }))
  } catch (error) {
    throw forbidden(error) ?? error
  }
}

/**
 * A transaction as the role that owns a schema, so that what an installer or a superuser makes belongs to the same role as
 * the rest; as itself while there is no such schema, or when it is not a member.
 */
async function asOwner<T>(client: ClientBase, schema: string, work: () => Promise<T>): Promise<T> {
  await client.query('begin')
  try {
    const { rows } = await client.query<{ owner: string }>(OWNER, [schema])
    if (rows[0]) await client.query(`set local role ${rows[0].owner}`)
    const result = await work()
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}

const OWNER = `
  select quote_ident(r.rolname) as owner from pg_namespace n join pg_roles r on r.oid = n.nspowner
   where n.nspname = $1 and r.rolname <> current_user and pg_has_role(r.oid, 'member')`

/** Null for what is no lack of rights. */
function forbidden(error: unknown): TappetError | null {
  const cause = error instanceof TappetError ? error.cause : error
  if ((cause as { readonly code?: string } | undefined)?.code !== '42501') return null
  const message = `the database is not up to date, and this role may not change that: ${(cause as Error).message}`
  return new TappetError('TPT_MIGRATION_PENDING', message, { cause: error })
}

/** Names of the files of a set that the database has not seen. Changes nothing. */
export async function pendingMigrations(client: ClientBase, set: MigrationSet): Promise<readonly string[]> {
  return missingOf(set, await readMigrations(set), await readApplied(client, set)).map(({ name }) => name)
}

async function readMigrations(set: MigrationSet): Promise<readonly Migration[]> {
  const folder = new URL(`${set}/`, FOLDER)
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).toSorted()
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, folder), 'utf8')
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

async function applyMissing(
  client: ClientBase,
  set: MigrationSet,
  wanted: readonly Migration[],
): Promise<string[]> {
  await client.query('select pg_advisory_xact_lock($1)', [LOCK])
  // `if not exists` asks for the right to make one even when there is one.
  const { rows } = await client.query(`select from pg_namespace where nspname = 'tappet'`)
  if (rows.length === 0) await client.query('create schema tappet')
  await client.query(`
    create table if not exists tappet.migrations (
      set text not null, name text not null, checksum text not null, applied_at timestamptz not null default now(),
      primary key (set, name)
    )`)
  const applied: string[] = []
  for (const migration of missingOf(set, wanted, await readApplied(client, set))) {
    await applyOne(client, set, migration)
    applied.push(migration.name)
  }
  return applied
}

/** @throws TappetError TPT_MIGRATION_FAILED when a file was changed after it had been applied. */
function missingOf(
  set: MigrationSet,
  wanted: readonly Migration[],
  known: ReadonlyMap<string, string>,
): readonly Migration[] {
  for (const { name, checksum } of wanted) {
    const before = known.get(name) ?? checksum
    if (checksum === before) continue
    throw new TappetError(
      'TPT_MIGRATION_FAILED',
      `migrations/${set}/${name} was changed after it had been applied: expected sha256 ` +
        `${before.slice(0, 12)}…, got ${checksum.slice(0, 12)}…; add a new file instead`,
    )
  }
  return wanted.filter(({ name }) => !known.has(name))
}

/** Empty when there is no such table yet. */
async function readApplied(client: ClientBase, set: MigrationSet): Promise<Map<string, string>> {
  const table = await client.query<{ known: boolean }>(
    `select to_regclass('tappet.migrations') is not null as known`,
  )
  if (!table.rows[0]?.known) return new Map()
  const { rows } = await client.query<{ name: string; checksum: string }>(
    'select name, checksum from tappet.migrations where set = $1',
    [set],
  )
  return new Map(rows.map(({ name, checksum }) => [name, checksum]))
}

async function applyOne(
  client: ClientBase,
  set: MigrationSet,
  { name, sql, checksum }: Migration,
): Promise<void> {
  try {
    await client.query(sql)
    await client.query('insert into tappet.migrations (set, name, checksum) values ($1, $2, $3)', [
      set,
      name,
      checksum,
    ])
  } catch (cause) {
    throw new TappetError('TPT_MIGRATION_FAILED', `migrations/${set}/${name}: ${String(cause)}`, {
      cause,
    })
  }
}
