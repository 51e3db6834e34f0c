import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { Client } from 'pg'
import { eventually } from './eventually.ts'
import { TEST_DATABASE_PREFIX } from './leftovers.ts'
import { startRedis } from './redis-server.ts'

/** Why a test that needs Redis is skipped. */
export const noRedis =
  'no Redis: TAPPET_TEST_REDIS_URL and REDIS_URL are unset and redis-server is not on PATH'

export interface TestDatabase {
  readonly url: string
  /** Drops it. Rejects when a connection to it stays open: a test closes what it opens. */
  drop(): Promise<void>
}

export interface TestRedis {
  /** One server for all tests: use a key prefix of your own. */
  readonly url: string
}

let server: Promise<string> | undefined
let redis: Promise<TestRedis | null> | undefined
const closers: (() => Promise<void>)[] = []

after(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

/** The Postgres server of this test process, as a superuser. */
export function serverUrl(): Promise<string> {
  return (server ??= findPostgres())
}

/** A fresh, empty database with a name of its own. */
export async function testDatabase(): Promise<TestDatabase> {
  const name = `${process.env.TAPPET_TEST_PREFIX ?? TEST_DATABASE_PREFIX}${randomBytes(6).toString('hex')}`
  const url = new URL(await serverUrl())
  const maintenance = url.href
  await query(maintenance, `create database ${name} template template0`)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => dropDatabase(maintenance, name) }
}

/** A Redis that all tests share; null: skip the test, because of `noRedis`. */
export function testRedis(): Promise<TestRedis | null> {
  return (redis ??= findRedis())
}

async function dropDatabase(maintenance: string, name: string): Promise<void> {
  const connected = (): Promise<unknown[]> =>
    query(
      maintenance,
      `select application_name, state, left(query, 200) as query from pg_stat_activity
       where datname = '${name}' and backend_type = 'client backend'`,
    )
  const closed = eventually(
    async () => (await connected()).length === 0,
    `connections to ${name} to end`,
    3_000,
  )
  const open = await closed.then(() => [], connected)
  await query(maintenance, `drop database if exists ${name} with (force)`)
  if (open.length > 0) throw new Error(`${name}: left open by the test: ${JSON.stringify(open)}`)
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url, application_name: 'tappet-test-services' })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

async function findPostgres(): Promise<string> {
  const given = process.env.TAPPET_TEST_DATABASE_URL ?? process.env.DATABASE_URL
  if (given !== undefined) return given
  const { startEmbeddedPostgres } = await import('../../src/embedded/postgres.ts')
  const folder = await mkdtemp(join(tmpdir(), 'tappet-pg-'))
  closers.push(() => rm(folder, { recursive: true, force: true }))
  const postgres = await startEmbeddedPostgres({ folder })
  closers.push(() => postgres.stop())
  return postgres.url
}

async function findRedis(): Promise<TestRedis | null> {
  const given = process.env.TAPPET_TEST_REDIS_URL ?? process.env.REDIS_URL
  if (given !== undefined) return { url: given }
  const started = await startRedis()
  if (started) closers.push(() => started.stop())
  return started
}
