import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../src/embedded/postgres.ts'
import { startRedis } from '../test/support/redis-server.ts'

export interface Servers {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly folder: string
  readonly description: string
  stop(): Promise<void>
}

/** A Postgres and a Redis of the benchmark's own: nobody else's load, nobody else's data. */
export async function startServers(): Promise<Servers> {
  const folder = await mkdtemp(join(tmpdir(), 'tappet-bench-'))
  const postgres = await startEmbeddedPostgres({ folder: join(folder, 'pg') })
  const redis = await startRedis()
  if (!redis) throw new Error('the benchmark needs redis-server on the PATH')
  const version = execFileSync('redis-server', ['--version'], { encoding: 'utf8' }).match(/v=(\S+)/)?.[1]
  return {
    databaseUrl: postgres.url,
    redisUrl: redis.url,
    folder,
    description: `Postgres ${postgres.version} (fsync on), Redis ${version}`,
    async stop() {
      await redis.stop()
      await postgres.stop()
      await rm(folder, { recursive: true })
    },
  }
}
