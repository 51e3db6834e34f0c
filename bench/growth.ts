import { mkdir, writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { spent, type Uses, usesOf } from './harness/processes.ts'
import { describeMachine } from './harness/report.ts'
import { query, type Servers, startServers } from './harness/servers.ts'
import { type RunningTappet, startTappet } from './harness/tappet.ts'

/**
 * What functions cost that have nothing to do: one process with all roles, on Postgres and Redis, with 1, 50 and 500 of them.
 * There is nobody to compare with: each figure stands beside the goal.
 */
export async function benchGrowth(seconds: number, quick: boolean): Promise<void> {
  const servers = await startServers()
  const [load = 0] = loadavg()
  const rows: Row[] = []
  try {
    for (const functions of quick ? [1, 50] : [1, 50, 500]) {
      process.stderr.write(`growth: ${functions} functions\n`)
      rows.push(await idle(servers, functions, seconds))
    }
  } finally {
    await servers.stop()
  }
  const text = toText(rows, servers.description, seconds, load)
  console.log(text)
  if (quick) return
  const folder = join(import.meta.dirname, '..', 'docs', 'benchmarks')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'growth.md'), text)
}

interface Row {
  readonly functions: number
  readonly readyMs: number
  /** Share of one core, in per cent, while nothing happens. */
  readonly own: number
  readonly postgres: number
  readonly redis: number
  readonly memoryMb: number
  readonly postgresConnections: number
  readonly redisConnections: number
}

/** Kinds of triggers in turn; cron that is not due. */
function functionOf(n: number): string {
  const triggers = [`http.post('/f${n}')`, `queue('q${n}')`, `cron('0 0 1 1 *')`, `upload('f${n}/:id')`]
  return `import { cron, defineFunction, http, queue, upload } from 'tappet'
void [cron, http, queue, upload]
export default defineFunction({ on: ${triggers[n % triggers.length]} }, () => null)
`
}

/** What a process does after its start is not what it does all day. */
const SETTLE_MS = 20_000

async function idle(servers: Servers, functions: number, seconds: number): Promise<Row> {
  const names = Array.from({ length: functions }, (_, n) => [`f${n}.ts`, functionOf(n)] as const)
  const begun = performance.now()
  const tappet = await startTappet(servers, Object.fromEntries(names))
  const readyMs = performance.now() - begun
  try {
    await pauseMs(SETTLE_MS)
    const before = look(tappet, servers)
    await pauseMs(seconds * 1_000)
    const used = spent(before, look(tappet, servers))
    const share = (name: string): number => (used[name]?.cpuMs ?? 0) / (seconds * 10)
    const ours = Object.keys(used).filter((name) => name !== 'postgres' && name !== 'redis')
    return {
      ...{ functions, readyMs },
      own: ours.reduce((sum, name) => sum + share(name), 0),
      ...{ postgres: share('postgres'), redis: share('redis') },
      memoryMb: ours.reduce((sum, name) => sum + (used[name]?.rssMb ?? 0), 0),
      postgresConnections: await countBackends(tappet),
      redisConnections: await countClients(servers),
    }
  } finally {
    await tappet.stop()
    await tappet.close()
  }
}

function look({ pid }: RunningTappet, { postgresPid, redisPid }: Servers): Uses {
  return { ...usesOf([pid]), ...usesOf([postgresPid], 'postgres'), ...usesOf([redisPid], 'redis') }
}

async function countBackends({ databaseUrl }: RunningTappet): Promise<number> {
  const [row] = await query(
    databaseUrl,
    `select count(*)::int as count from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`,
  )
  return Number(row?.count)
}

async function countClients({ redisUrl }: Servers): Promise<number> {
  const client = new Redis(redisUrl)
  const list = String(await client.call('CLIENT', 'LIST'))
  await client.quit()
  return list.trim().split('\n').length - 1
}

function toText(rows: readonly Row[], servers: string, seconds: number, load: number): string {
  const { machine, node, date, commit } = describeMachine()
  const head = [
    'functions',
    'start s',
    'CPU %',
    'of Postgres %',
    'of Redis %',
    'memory MB',
    'to Postgres',
    'to Redis',
  ]
  const lines = rows.map((row) =>
    [
      row.functions,
      (row.readyMs / 1_000).toFixed(1),
      ...[row.own, row.postgres, row.redis].map((share) => share.toFixed(2)),
      row.memoryMb.toFixed(0),
      ...[row.postgresConnections, row.redisConnections],
    ].join(' | '),
  )
  return `# growth

\`\`\`sh
npm run bench -- growth
\`\`\`

${date}, commit ${commit}; ${machine}; Node ${node}; ${servers}. Load average before: ${load.toFixed(1)}.

One process with all roles while nothing happens, measured for ${seconds} s: per cent of one core, its memory with that of its
children, and its connections. *Start* includes the installation of an empty database and the bundles of all functions. The goal for
500 functions: at most 10 connections and 1 % of a core.

| ${head.join(' | ')} |
| ${head.map(() => '---:').join(' | ')} |
${lines.map((line) => `| ${line} |`).join('\n')}
`
}

function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
