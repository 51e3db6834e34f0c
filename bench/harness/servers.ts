import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../src/embedded/postgres.ts'
import { startRedis } from '../../test/support/redis-server.ts'

export interface Servers {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly folder: string
  readonly description: string
  readonly postgresPid: number
  readonly redisPid: number
  stop(): Promise<void>
}

/** A Postgres and a Redis of the benchmark's own: nobody else's load, nobody else's data. */
export async function startServers(): Promise<Servers> {
  const folder = await mkdtemp(join(tmpdir(), 'tappet-bench-'))
  const postgres = await startEmbeddedPostgres({
    folder: join(folder, 'pg'),
    settings: { max_connections: '400' },
  })
  const redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'everysec'] })
  if (!redis) throw new Error('the benchmark needs redis-server on the PATH')
  const version = execFileSync('redis-server', ['--version'], { encoding: 'utf8' }).match(/v=(\S+)/)?.[1]
  return {
    databaseUrl: postgres.url,
    redisUrl: redis.url,
    folder,
    postgresPid: await postgresPid(postgres.url),
    redisPid: await redisPid(redis.url),
    description: `Postgres ${postgres.version} (fsync on, synchronous_commit on), Redis ${version} (AOF everysec)`,
    async stop() {
      await redis.stop()
      await postgres.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** An empty database on the server. */
export async function createDatabase(serverUrl: string, name: string): Promise<string> {
  await query(serverUrl, `create database ${name}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

export async function query(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return ((await client.query(sql)) as { rows?: Record<string, unknown>[] }).rows ?? []
  } finally {
    await client.end()
  }
}

async function postgresPid(url: string): Promise<number> {
  const [row] = await query(url, `select split_part(pg_read_file('postmaster.pid'), E'\\n', 1) as pid`)
  return Number(row?.pid)
}

async function redisPid(url: string): Promise<number> {
  const client = new Redis(url)
  const [, aof] = (await client.config('GET', 'appendonly')) as string[]
  if (aof !== 'yes') throw new Error('the benchmark’s Redis does not keep its AOF')
  const pid = (await client.info('server')).match(/process_id:(\d+)/)?.[1]
  await client.quit()
  return Number(pid)
}
