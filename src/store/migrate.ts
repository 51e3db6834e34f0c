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
 * names, in one transaction. Safe to call from any number of processes at once.
 *
 * @throws TappetError TPT_MIGRATION_FAILED when a file fails or was changed after it had been applied; the database is
 *   then as before.
 */
export async function migrate(client: ClientBase, set: MigrationSet): Promise<Migrated> {
  const wanted = await readMigrations(set)
  await client.query('begin')
  try {
    const applied = await applyMissing(client, set, wanted)
    await client.query('commit')
    return { applied }
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}

/** Names of the files of a set that the database has not seen. Changes nothing. */
export async function pendingMigrations(client: ClientBase, set: MigrationSet): Promise<readonly string[]> {
  const wanted = await readMigrations(set)
  const { rows } = await client.query<{ known: boolean }>(
    `select to_regclass('tappet.migrations') is not null as known`,
  )
  const known = rows[0]?.known ? await readApplied(client, set) : new Map<string, string>()
  return wanted.filter(({ name }) => !known.has(name)).map(({ name }) => name)
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
  await client.query(`
    create schema if not exists tappet;
    create table if not exists tappet.migrations (
      set text not null, name text not null, checksum text not null, applied_at timestamptz not null default now(),
      primary key (set, name)
    )`)
  const known = await readApplied(client, set)
  const applied: string[] = []
  for (const migration of wanted) {
    const checksum = known.get(migration.name)
    if (checksum === undefined) {
      await applyOne(client, set, migration)
      applied.push(migration.name)
    } else if (checksum !== migration.checksum) {
      throw new TappetError(
        'TPT_MIGRATION_FAILED',
        `migrations/${set}/${migration.name} was changed after it had been applied: expected sha256 ` +
          `${checksum.slice(0, 12)}…, got ${migration.checksum.slice(0, 12)}…; add a new file instead`,
      )
    }
  }
  return applied
}

async function readApplied(client: ClientBase, set: MigrationSet): Promise<Map<string, string>> {
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
