import { lstat, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import pg from 'pg'
import type { Cluster } from '../chaos/cluster.ts'
import type { Node } from '../chaos/launcher.ts'

/** What the cluster uses at one moment. Names of series: what is measured, and of what. */
export interface Sample {
  /** Since the first. */
  readonly minutes: number
  readonly values: Readonly<Record<string, number>>
}

/**
 * Looks at processes and servers from outside, and asks the heap of a process of its own metrics.
 *
 * @param elders processes that live through the whole run: only theirs can show a slope.
 */
export async function takeSample(
  cluster: Cluster,
  elders: readonly Node[],
  minutes: number,
): Promise<Sample> {
  const parts = await Promise.all([
    ...elders.map((one) => ofProcess(one, cluster.key)),
    ofPostgres(cluster),
    ofRedis(cluster),
    ofFolder(cluster.folder),
  ])
  return { minutes, values: Object.assign({}, ...parts) as Record<string, number> }
}

type Values = Record<string, number>

async function ofProcess(one: Node, key: string): Promise<Values> {
  const { pid } = one.child()
  const fds = (await readdir(`/proc/${pid}/fd`)).length
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const rss = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024
  return { [`${one.role}: RSS, MiB`]: rss, [`${one.role}: descriptors`]: fds, ...(await heap(one, key)) }
}

/** Nothing while the process is busy with a fault. */
async function heap({ role, url }: Node, key: string): Promise<Values> {
  try {
    const headers = { authorization: `Bearer ${key}` }
    const answer = await fetch(`${url}/metrics`, { headers, signal: AbortSignal.timeout(5_000) })
    const bytes = /^nodejs_heap_size_used_bytes (\d+)/m.exec(await answer.text())?.[1]
    return bytes === undefined ? {} : { [`${role}: heap, MiB`]: Number(bytes) / 2 ** 20 }
  } catch {
    return {}
  }
}

async function ofPostgres({ databaseUrl }: Cluster): Promise<Values> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<{ connections: number; outbox: number }>(
      `select (select count(*)::int from pg_stat_activity
                where backend_type = 'client backend' and application_name <> 'load') as connections,
              (select count(*)::int from tappet.outbox) as outbox`,
    )
    return { 'Postgres: connections': rows[0]?.connections ?? 0, 'outbox: rows': rows[0]?.outbox ?? 0 }
  } catch {
    return {}
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function ofRedis({ redisUrl }: Cluster): Promise<Values> {
  if (redisUrl === null) return {}
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: 1, retryStrategy: () => null })
  redis.on('error', () => undefined)
  try {
    const [keys, clients, memory] = await Promise.all([
      redis.dbsize(),
      redis.info('clients'),
      redis.info('memory'),
    ])
    return {
      'Redis: keys': keys,
      'Redis: connections': Number(/connected_clients:(\d+)/.exec(clients)?.[1] ?? 0),
      'Redis: memory, MiB': Number(/used_memory:(\d+)/.exec(memory)?.[1] ?? 0) / 2 ** 20,
    }
  } catch {
    return {}
  } finally {
    redis.disconnect()
  }
}

/** What came in one request that broke off is taken away within ten minutes. */
const TAKEN_AWAY_MS = 11 * 60_000

/** Files beside those that are kept, and that should have been taken away: parts of uploads. */
async function ofFolder(folder: string): Promise<Values> {
  const root = join(folder, '.tappet')
  const names = await readdir(root, { recursive: true }).catch(() => [])
  const drafts = names.filter((name) => /(^|\/)drafts\//.test(name))
  const ages = await Promise.all(
    drafts.map((name) =>
      lstat(join(root, name)).then(
        ({ mtimeMs }) => Date.now() - mtimeMs,
        () => 0,
      ),
    ),
  )
  return { 'folder: temporary files': ages.filter((age) => age > TAKEN_AWAY_MS).length }
}
