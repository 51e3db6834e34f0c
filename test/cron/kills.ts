import { parseArgs } from 'node:util'
import { rollDice } from '../chaos/dice.ts'
import { eventually } from '../support/eventually.ts'
import { startCluster } from './cluster.ts'
import { machine, writeReport } from './report.ts'
import { allDecided, clockPasses, countTicks, everySecond, nextSecond, type Ticked } from './ticks.ts'

// `npm run cron-kills [-- --ticks 10000 --kills 200 --seed 7 --report]`: five processes serve schedules that tick each
// second, and are killed and started again all the while. Each tick must become one event, and none before its time.

const { values } = parseArgs({
  options: {
    ticks: { type: 'string', default: '10000' },
    kills: { type: 'string', default: '200' },
    schedules: { type: 'string', default: '50' },
    nodes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    report: { type: 'boolean', default: false },
  },
})

const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const schedules = Number(values.schedules)
const kills = Number(values.kills)
const nodes = Number(values.nodes)
const seconds = Math.ceil(Number(values.ticks) / schedules)
/** Three starts in the worst case, and a catch-up. */
const SETTLE_MS = 60_000

async function main(): Promise<void> {
  console.log(
    `cron under kills: ${schedules} schedules × ${seconds} s on ${nodes} processes, ${kills} × kill -9; seed ${seed}`,
  )
  const cluster = await startCluster({
    engine: 'postgres',
    nodes,
    role: 'triggers',
    functions: { 'ticks.ts': everySecond(schedules) },
  })
  try {
    const { db } = cluster
    const from = await nextSecond(db, 2)
    const until = new Date(from.getTime() + (seconds - 1) * 1_000)
    await eventually(() => clockPasses(db, from), 'the first tick', 10_000)
    const killed = await killAll(cluster.nodes)
    await eventually(() => clockPasses(db, until), 'the last tick', (seconds + 30) * 1_000)
    await eventually(() => allDecided(db, schedules, until), 'all ticks to be decided', SETTLE_MS)
    const ticked = await countTicks(db, schedules, from, until)
    await tell(ticked, killed)
  } finally {
    await cluster.stop()
  }
}

/** Spread evenly over the ticks; by chance, who. */
async function killAll(places: readonly { kill(): void }[]): Promise<number> {
  const dice = rollDice(seed)
  const started = performance.now()
  const gapMs = (seconds * 1_000) / (kills + 1)
  for (let killed = 0; killed < kills; killed++) {
    const dueMs = started + (killed + dice.next()) * gapMs - performance.now()
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs)))
    dice.pick(places).kill()
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${killed + 1}/${kills} kills`)
  }
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  return kills
}

async function tell(ticked: Ticked, killed: number): Promise<void> {
  const { expected, events, double, missed, early, unpaired, lateMs } = ticked
  const good = events === expected && double + missed + early + unpaired === 0
  const ms = (value: number): string => `${Math.round(value)} ms`
  const rows: [string, string][] = [
    ['ticks', `${schedules} schedules × ${seconds} s = ${expected}`],
    ['processes', `${nodes} (\`tappet start --role triggers\`), queue on Postgres`],
    ['kill -9', String(killed)],
    ['events', String(events)],
    ['double', String(double)],
    ['missed', String(missed)],
    ['early, by the database’s clock', String(early)],
    ['events without exactly one run', String(unpaired)],
    ['lateness p50 / p99 / max', `${ms(lateMs.p50)} / ${ms(lateMs.p99)} / ${ms(lateMs.max)}`],
  ]
  for (const [name, value] of rows) console.log(`  ${name}: ${value}`)
  console.log(good ? 'each tick made one event' : `WRONG: run it again with --seed ${seed}`)
  process.exitCode = good ? 0 : 1
  if (!values.report) return
  const command = `npm run cron-kills -- --ticks ${expected} --kills ${killed} --seed ${seed} --report`
  await writeReport('cron.md', 'Cron under kills', { command, machine: machine(), rows })
}

await main()
