import { readdir, readFile } from 'node:fs/promises'
import { Redis } from 'ioredis'
import pg from 'pg'
import type { Cluster } from './cluster.ts'
import type { Node, Role } from './launcher.ts'
import type { Dice } from './dice.ts'

/** With what faults are made. */
export const pauseMs = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** One that has been up for a while, if there is one: to kill those that start proves little. */
export function node({ nodes }: Cluster, role: Role, dice: Dice): Node {
  const peers = nodes.filter((one) => one.role === role)
  const settled = peers.filter((one) => one.upMs() > SETTLED_MS)
  return dice.pick(settled.length > 0 ? settled : peers)
}

const SETTLED_MS = 5_000

export async function freeze(one: Node, ms: number): Promise<void> {
  const child = one.child()
  child.kill('SIGSTOP')
  await pauseMs(ms)
  child.kill('SIGCONT')
}

export async function sql(cluster: Cluster, text: string | readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: cluster.databaseUrl, connectionTimeoutMillis: 2_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    for (const statement of [text].flat()) await client.query(statement)
  } finally {
    await client.end().catch(() => undefined)
  }
}

export async function redisDo(cluster: Cluster, ...command: readonly [string, ...string[]]): Promise<void> {
  if (!cluster.redisUrl) return
  const redis = new Redis(cluster.redisUrl, { maxRetriesPerRequest: 1, retryStrategy: () => null })
  redis.on('error', () => undefined)
  try {
    await redis.call(...command)
  } finally {
    redis.disconnect()
  }
}

/** The functions' processes, and the supervisors that are between them and the workers. */
export async function runners(cluster: Cluster): Promise<number[]> {
  const parents = await parentsOfAll()
  const workers = new Set(cluster.nodes.map((one) => one.child().pid))
  const children = [...parents.keys()].filter((pid) => workers.has(parents.get(pid)))
  const grandchildren = [...parents.keys()].filter((pid) => children.includes(parents.get(pid) ?? 0))
  return [...children, ...grandchildren]
}

/** A process and all that it has started; the youngest last. */
export async function family(pid: number): Promise<number[]> {
  const parents = await parentsOfAll()
  const found = [pid]
  for (const one of found) for (const [child, parent] of parents) if (parent === one) found.push(child)
  return found
}

async function parentsOfAll(): Promise<Map<number, number>> {
  const parents = new Map<number, number>()
  for (const name of await readdir('/proc')) {
    const stat = Number.isInteger(Number(name))
      ? await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
      : ''
    if (stat !== '') parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
  }
  return parents
}

/** Stops a whole server, and lets it go on. */
export async function freezeAll(pids: readonly number[], ms: number): Promise<void> {
  const signal = (name: NodeJS.Signals): void => {
    for (const pid of pids)
      try {
        process.kill(pid, name)
      } catch {
        // It has ended in the meantime.
      }
  }
  signal('SIGSTOP')
  await pauseMs(ms)
  signal('SIGCONT')
}
