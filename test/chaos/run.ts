import { parseArgs } from 'node:util'
import { startCluster } from './cluster.ts'
import { rollDice } from './dice.ts'
import { strikeAll } from './faults.ts'
import { KINDS, startLoad } from './load.ts'
import { startRedis } from '../support/redis-server.ts'
import { judge, type Verdict } from './verdict.ts'

/**
 * All five triggers under load, two brokers and two workers, and one fault after the other between and in them. At the
 * end, what functions did is compared with what sources were told.
 */
const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'both' },
    events: { type: 'string', default: '20000' },
    faults: { type: 'string', default: '100' },
    seed: { type: 'string' },
    release: { type: 'boolean', default: false },
  },
})

const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const engines = await chooseEngines(values.engine)
const events = Math.round((values.release ? 1_000_000 : Number(values.events)) / engines.length)
const faults = Math.round((values.release ? 1_000 : Number(values.faults)) / engines.length)

const GAP_MS = 250
/** A fault and the pause after it, on average. */
const SECONDS_A_FAULT = 0.95

/** Both, unless one is asked for; without `redis-server` on the PATH only Postgres, and it says so. */
async function chooseEngines(asked: string): Promise<readonly ('redis' | 'postgres')[]> {
  if (asked === 'redis' || asked === 'postgres') return [asked]
  if (asked !== 'both')
    throw new Error(`--engine must be redis, postgres or both, got ${JSON.stringify(asked)}`)
  const redis = await startRedis()
  await redis?.stop()
  if (redis) return ['redis', 'postgres']
  console.log(`chaos: the queue on Redis is left out, because redis-server is not on the PATH`)
  return ['postgres']
}

async function main(): Promise<void> {
  console.log(`chaos: ${events} events and ${faults} faults on each of ${engines.join(', ')}; seed ${seed}`)
  let good = true
  for (const engine of engines) good = (await runOn(engine)) && good
  console.log(good ? '\nnothing lost, nothing twice' : `\nWRONG: run it again with --seed ${seed}`)
  process.exitCode = good ? 0 : 1
}

async function runOn(engine: 'redis' | 'postgres'): Promise<boolean> {
  const cluster = await startCluster(engine)
  const started = performance.now()
  try {
    const load = startLoad(cluster, { events, seconds: faults * SECONDS_A_FAULT, dice: rollDice(seed) })
    let last = ''
    const progress = setInterval(() => {
      const done = KINDS.reduce(
        (sum, kind) => sum + load.told.acknowledged[kind].size + load.told.refused[kind],
        0,
      )
      process.stderr.write(
        `\r\u001b[K${engine}: ${done}/${events} events, ${Math.round((performance.now() - started) / 1_000)} s, ${last}`,
      )
    }, 500)
    const dice = rollDice(seed + 1)
    const onStrike = (name: string): void => void (last = name)
    const [struck] = await Promise.all([
      strikeAll(cluster, { count: faults, gapMs: GAP_MS, dice, onStrike }),
      load.done,
    ])
    clearInterval(progress)
    process.stderr.write('\r\u001b[K')
    const loadMs = performance.now() - started
    const verdict = await judge(cluster, load.told)
    report(engine, { verdict, struck, loadMs, repeats: load.told.repeats })
    return verdict.wrong.length === 0
  } finally {
    await cluster.stop()
  }
}

interface Report {
  readonly verdict: Verdict
  readonly struck: ReadonlyMap<string, number>
  readonly loadMs: number
  readonly repeats: number
}

function report(engine: string, { verdict, struck, loadMs, repeats }: Report): void {
  const { acknowledged, refused, completed, reruns, ticks, drainMs, recoveriesMs, wrong } = verdict
  const sorted = recoveriesMs.toSorted((a, b) => a - b)
  const total = [...struck.values()].reduce((sum, n) => sum + n, 0)
  console.log(`\n${engine}: ${total} faults of ${struck.size} kinds in ${(loadMs / 1_000).toFixed(0)} s`)
  for (const [name, count] of struck) console.log(`  ${String(count).padStart(4)} × ${name}`)
  console.log(
    `  acknowledged ${acknowledged}, refused ${refused}, repeated deliveries ${repeats}, ticks ${ticks}`,
  )
  console.log(
    `  runs completed ${completed}, run again ${reruns} (${((100 * reruns) / Math.max(1, completed)).toFixed(2)} %)`,
  )
  console.log(`  drained ${(drainMs / 1_000).toFixed(1)} s after the last event`)
  const at = (share: number): string =>
    ((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) / 1_000).toFixed(1)
  console.log(`  recovery of ${sorted.length} runs from dead workers: p50 ${at(0.5)} s, max ${at(1)} s`)
  for (const line of wrong.slice(0, 20)) console.log(`  ✖ ${line}`)
  if (wrong.length > 20) console.log(`  ✖ … and ${wrong.length - 20} more`)
}

await main()
