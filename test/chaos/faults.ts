import { readdir, readFile } from 'node:fs/promises'
import { Redis } from 'ioredis'
import pg from 'pg'
import type { Cluster, Node, Role } from './cluster.ts'
import type { Dice } from './dice.ts'

/** One way in which things go wrong; it ends what it began. */
export interface Fault {
  readonly name: string
  /** How often it is drawn, against the others. */
  readonly weight: number
  readonly needs?: 'redis'
  strike(cluster: Cluster, dice: Dice): Promise<void>
}

const pauseMs = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function node({ nodes }: Cluster, role: Role, dice: Dice): Node {
  return dice.pick(nodes.filter((one) => one.role === role))
}

async function freeze(one: Node, ms: number): Promise<void> {
  const child = one.child()
  child.kill('SIGSTOP')
  await pauseMs(ms)
  child.kill('SIGCONT')
}

async function sql(cluster: Cluster, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: cluster.databaseUrl, connectionTimeoutMillis: 2_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query(text)
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function redisDo(cluster: Cluster, ...command: readonly [string, ...string[]]): Promise<void> {
  if (!cluster.redisUrl) return
  const redis = new Redis(cluster.redisUrl, { maxRetriesPerRequest: 1, retryStrategy: () => null })
  redis.on('error', () => undefined)
  try {
    await redis.call(...command)
  } finally {
    redis.disconnect()
  }
}

/** The functions' processes are children of the workers. */
async function runners(cluster: Cluster): Promise<number[]> {
  const parents = new Set(cluster.nodes.map((one) => one.child().pid))
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger)
  const found = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
      return parents.has(parent) ? pid : null
    }),
  )
  return found.filter((pid) => pid !== null)
}

const OTHERS = `select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`

export const FAULTS: readonly Fault[] = [
  {
    name: 'kill a worker',
    weight: 3,
    strike: (cluster, dice) => node(cluster, 'worker', dice).replace('SIGKILL'),
  },
  {
    name: 'kill a broker',
    weight: 3,
    strike: (cluster, dice) => node(cluster, 'broker', dice).replace('SIGKILL'),
  },
  {
    name: 'stop a worker',
    weight: 2,
    strike: (cluster, dice) => node(cluster, 'worker', dice).replace('SIGTERM'),
  },
  {
    name: 'stop a broker',
    weight: 2,
    strike: (cluster, dice) => node(cluster, 'broker', dice).replace('SIGTERM'),
  },
  {
    name: 'freeze a worker',
    weight: 2,
    strike: (cluster, dice) => freeze(node(cluster, 'worker', dice), dice.between(500, 3_000)),
  },
  {
    name: 'freeze a broker',
    weight: 2,
    strike: (cluster, dice) => freeze(node(cluster, 'broker', dice), dice.between(500, 3_000)),
  },
  {
    name: 'freeze a worker beyond its lease',
    weight: 1,
    strike: (cluster, dice) => freeze(node(cluster, 'worker', dice), 10_000),
  },
  {
    name: 'kill a function process',
    weight: 4,
    async strike(cluster, dice) {
      const pids = await runners(cluster)
      if (pids.length > 0) process.kill(dice.pick(pids), 'SIGKILL')
    },
  },
  { name: 'terminate all connections of Postgres', weight: 3, strike: (cluster) => sql(cluster, OTHERS) },
  { name: 'crash Postgres', weight: 2, strike: (cluster) => cluster.crashPostgres() },
  {
    name: 'cut the lines to Postgres',
    weight: 3,
    async strike({ postgresProxy }, dice) {
      await postgresProxy.cut()
      await pauseMs(dice.between(50, 1_500))
      await postgresProxy.restore()
    },
  },
  {
    name: 'silence the lines to Postgres',
    weight: 2,
    async strike({ postgresProxy }) {
      postgresProxy.silence()
    },
  },
  {
    name: 'lock the runs',
    weight: 2,
    strike: (cluster) =>
      sql(cluster, 'begin; lock table tappet.runs in access exclusive mode; select pg_sleep(1.5); commit'),
  },
  { name: 'empty Redis', weight: 3, needs: 'redis', strike: (cluster) => redisDo(cluster, 'FLUSHALL') },
  {
    name: 'forget the scripts of Redis',
    weight: 2,
    needs: 'redis',
    strike: (cluster) => redisDo(cluster, 'SCRIPT', 'FLUSH'),
  },
  {
    name: 'kill the clients of Redis',
    weight: 3,
    needs: 'redis',
    strike: (cluster) => redisDo(cluster, 'CLIENT', 'KILL', 'TYPE', 'normal'),
  },
  {
    name: 'hold Redis still',
    weight: 2,
    needs: 'redis',
    strike: (cluster, dice) => redisDo(cluster, 'DEBUG', 'SLEEP', String(dice.between(1, 15) / 10)),
  },
  {
    name: 'crash Redis, empty afterwards',
    weight: 2,
    needs: 'redis',
    strike: (cluster) => cluster.crashRedis(),
  },
  {
    name: 'cut the lines to Redis',
    weight: 3,
    needs: 'redis',
    async strike({ redisProxy }, dice) {
      await redisProxy?.cut()
      await pauseMs(dice.between(50, 1_500))
      await redisProxy?.restore()
    },
  },
  {
    name: 'silence the lines to Redis',
    weight: 1,
    needs: 'redis',
    async strike({ redisProxy }) {
      redisProxy?.silence()
    },
  },
]

/** Strikes `count` times, one at a time, evenly over the time that the load takes. */
export async function strikeAll(
  cluster: Cluster,
  {
    count,
    gapMs,
    dice,
    onStrike,
  }: { count: number; gapMs: number; dice: Dice; onStrike: (name: string) => void },
): Promise<Map<string, number>> {
  const possible = FAULTS.filter(({ needs }) => needs === undefined || cluster.redisUrl !== null)
  const urn = possible.flatMap((fault) => Array.from({ length: fault.weight }, () => fault))
  const struck = new Map<string, number>()
  for (let i = 0; i < count; i++) {
    // Each kind at least once, then by weight.
    const fault = possible[i] ?? dice.pick(urn)
    onStrike(fault.name)
    await fault.strike(cluster, dice).catch(() => undefined)
    struck.set(fault.name, (struck.get(fault.name) ?? 0) + 1)
    await pauseMs(gapMs * (0.5 + dice.next()))
  }
  return struck
}
