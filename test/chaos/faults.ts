import { type Cluster, isAlive } from './cluster.ts'
import type { Dice } from './dice.ts'
import { eventually } from '../support/eventually.ts'
import { family, freeze, freezeAll, node, pauseMs, redisDo, runners, sql } from './means.ts'

/** One way in which things go wrong; it ends what it began. */
export interface Fault {
  readonly name: string
  /** How often it is drawn, against the others. */
  readonly weight: number
  readonly needs?: 'redis'
  /** Nothing can recover while the ledger is away. */
  readonly away?: 'ledger'
  /** Takes so long that others strike in the meantime. */
  readonly aside?: boolean
  strike(cluster: Cluster, dice: Dice): Promise<void>
}

const OTHERS = `select pg_terminate_backend(pid) from pg_stat_activity
  where backend_type = 'client backend' and pid <> pg_backend_pid() and application_name <> 'load'`

/** How long a fault lasts that has no length of its own. */
const LASTS_MS = 500

/** A fault of the lines to a server: begins, lasts, ends. */
async function forAWhile(begin: () => unknown, end: () => unknown, ms: number): Promise<void> {
  try {
    await begin()
    await pauseMs(ms)
  } finally {
    await eventually(async () => (await end(), true), 'the fault is over', 20_000)
  }
}

const PROCESSES: readonly Fault[] = [
  { name: 'kill a worker', weight: 4, strike: (on, dice) => node(on, 'worker', dice).replace('SIGKILL') },
  { name: 'kill a broker', weight: 4, strike: (on, dice) => node(on, 'broker', dice).replace('SIGKILL') },
  { name: 'stop a worker', weight: 2, strike: (on, dice) => node(on, 'worker', dice).replace('SIGTERM') },
  { name: 'stop a broker', weight: 2, strike: (on, dice) => node(on, 'broker', dice).replace('SIGTERM') },
  {
    name: 'freeze a worker',
    weight: 2,
    strike: (on, dice) => freeze(node(on, 'worker', dice), dice.between(300, 1_500)),
  },
  {
    name: 'freeze a broker',
    weight: 2,
    strike: (on, dice) => freeze(node(on, 'broker', dice), dice.between(300, 1_500)),
  },
  {
    name: 'freeze a worker beyond its lease',
    weight: 1,
    aside: true,
    strike: (on, dice) => freeze(node(on, 'worker', dice), 10_000),
  },
  {
    name: 'kill a function process',
    weight: 4,
    async strike(on, dice) {
      const pid = dice.pick(await runners(on))
      if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGKILL')
    },
  },
]

const POSTGRES: readonly Fault[] = [
  { name: 'terminate all connections of Postgres', weight: 3, strike: (on) => sql(on, OTHERS) },
  { name: 'crash Postgres', weight: 2, away: 'ledger', strike: (on) => on.crashPostgres() },
  {
    name: 'freeze Postgres',
    weight: 1,
    away: 'ledger',
    strike: async (on, dice) => freezeAll(await family(await on.postmaster()), dice.between(300, 1_500)),
  },
  {
    name: 'cut the lines to Postgres',
    weight: 3,
    away: 'ledger',
    strike: ({ postgresProxy: proxy }, dice) => forAWhile(proxy.cut, proxy.restore, dice.between(50, 1_000)),
  },
  {
    name: 'silence the lines to Postgres',
    weight: 2,
    away: 'ledger',
    strike: async ({ postgresProxy }) => postgresProxy.silence(),
  },
  {
    name: 'slow the lines to Postgres, in slices',
    weight: 2,
    strike: ({ postgresProxy: proxy }, dice) =>
      forAWhile(
        () => proxy.slow({ delayMs: dice.between(5, 40), sliceBytes: dice.between(50, 4_000) }),
        () => proxy.slow(null),
        LASTS_MS,
      ),
  },
  {
    name: 'lose one answer of Postgres in a hundred',
    weight: 3,
    strike: ({ postgresProxy: proxy }, dice) =>
      forAWhile(
        () => proxy.loseAnswers(0.01, dice.next),
        () => proxy.loseAnswers(0, dice.next),
        LASTS_MS,
      ),
  },
  {
    name: 'make Postgres read-only',
    weight: 1,
    away: 'ledger',
    strike: (on) =>
      forAWhile(
        () => sql(on, readOnly('on')).then(() => sql(on, OTHERS)),
        () => sql(on, readOnly('off')),
        LASTS_MS,
      ),
  },
  {
    name: 'lock the runs',
    weight: 2,
    away: 'ledger',
    strike: (on) =>
      sql(on, 'begin; lock table tappet.runs in access exclusive mode; select pg_sleep(0.8); commit'),
  },
]

function readOnly(value: 'on' | 'off'): readonly string[] {
  return [
    'set default_transaction_read_only = off',
    `alter system set default_transaction_read_only = ${value}`,
    'select pg_reload_conf()',
  ]
}

const REDIS: readonly Fault[] = [
  { name: 'empty Redis', weight: 3, strike: (on) => redisDo(on, 'FLUSHALL') },
  { name: 'forget the scripts of Redis', weight: 2, strike: (on) => redisDo(on, 'SCRIPT', 'FLUSH') },
  {
    name: 'kill the clients of Redis',
    weight: 3,
    strike: (on) => redisDo(on, 'CLIENT', 'KILL', 'TYPE', 'normal'),
  },
  {
    name: 'hold Redis still',
    weight: 2,
    strike: (on, dice) => redisDo(on, 'DEBUG', 'SLEEP', String(dice.between(1, 15) / 10)),
  },
  { name: 'crash Redis, empty afterwards', weight: 2, strike: (on) => on.crashRedis() },
  {
    name: 'fill Redis to its limit',
    weight: 2,
    strike: (on) =>
      forAWhile(
        () => redisDo(on, 'CONFIG', 'SET', 'maxmemory', '1'),
        () => redisDo(on, 'CONFIG', 'SET', 'maxmemory', '0'),
        LASTS_MS,
      ),
  },
  {
    name: 'cut the lines to Redis',
    weight: 3,
    strike: ({ redisProxy: proxy }, dice) =>
      forAWhile(
        () => proxy?.cut(),
        () => proxy?.restore(),
        dice.between(50, LASTS_MS),
      ),
  },
  { name: 'silence the lines to Redis', weight: 1, strike: async ({ redisProxy }) => redisProxy?.silence() },
  {
    name: 'slow the lines to Redis, in slices',
    weight: 2,
    strike: ({ redisProxy: proxy }, dice) =>
      forAWhile(
        () => proxy?.slow({ delayMs: dice.between(5, 40), sliceBytes: dice.between(50, 4_000) }),
        () => proxy?.slow(null),
        LASTS_MS,
      ),
  },
  {
    name: 'lose one answer of Redis in a hundred',
    weight: 3,
    strike: ({ redisProxy: proxy }, dice) =>
      forAWhile(
        () => proxy?.loseAnswers(0.01, dice.next),
        () => proxy?.loseAnswers(0, dice.next),
        LASTS_MS,
      ),
  },
]

export const FAULTS: readonly Fault[] = [
  ...PROCESSES,
  ...POSTGRES,
  ...REDIS.map((fault) => ({ ...fault, needs: 'redis' as const })),
]

export interface StrikeOptions {
  readonly count: number
  /** Between two faults, on average. */
  readonly gapMs: number
  readonly dice: Dice
  /** Resolves when the fault with this number may strike. */
  readonly pace: (number: number) => Promise<void>
  readonly onStrike: (name: string, number: number) => void
  /** Default all that the cluster can have. */
  readonly only?: readonly string[]
}

/** Strikes `count` times, one at a time, beside the load. Answers how often each kind did. */
export async function strikeAll(cluster: Cluster, options: StrikeOptions): Promise<Map<string, number>> {
  const { count, gapMs, dice, pace, onStrike, only } = options
  const possible = FAULTS.filter(
    ({ needs, name }) => (needs === undefined || cluster.redisUrl !== null) && (only?.includes(name) ?? true),
  )
  const urn = possible.flatMap((fault) => Array.from({ length: fault.weight }, () => fault))
  const struck = new Map<string, number>()
  const aside: Promise<void>[] = []
  for (let i = 0; i < count; i++) {
    await pace(i)
    // Each kind at least once, then by weight.
    const fault = possible[i] ?? dice.pick(urn)
    onStrike(fault.name, i)
    const from = Date.now()
    const strike = fault.strike(cluster, dice).catch(() => undefined)
    if (fault.aside) aside.push(strike)
    else await strike
    if (fault.away === 'ledger') cluster.outages.push({ from, until: Date.now() })
    struck.set(fault.name, (struck.get(fault.name) ?? 0) + 1)
    await pauseMs(gapMs * (0.5 + dice.next()))
  }
  await Promise.all(aside)
  return struck
}
