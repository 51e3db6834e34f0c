import { parseArgs } from 'node:util'
import type { Case, Told } from './case.ts'
import { CLASSES } from './classes.ts'
import { chooseEngines, type QueueEngine } from '../support/engines.ts'
import { startTarget, type Target } from './target.ts'

/**
 * `npm run bad-input [-- --engine redis --class NAME | --case ID]`: every bad input of the list against one live server, with the
 * queue on Redis and on Postgres. Each must get
 * the right answer, and do no harm: no event from what was refused, no file of the sender's naming, no stall, no crash.
 */
const { values } = parseArgs({
  options: {
    case: { type: 'string' },
    class: { type: 'string' },
    'at-once': { type: 'string', default: '24' },
    engine: { type: 'string', default: 'both' },
    list: { type: 'boolean', default: false },
  },
})

const AT_ONCE = Number(values['at-once'])
const MAX_STALL_MS = 50
/** Longer than this is looked into although the process was not computing: it may have waited for a disk. */
const MAX_PAUSE_MS = 250
const MAX_RSS_BYTES = 700 * 1_048_576
/** Alone, a case that really holds the loop up does so every time. */
const CONFIRMATIONS = 8

interface Chosen {
  readonly name: string
  readonly cases: readonly Case[]
}

interface Row {
  readonly name: string
  readonly cases: number
  readonly accepted: number
  readonly refused: number
  readonly wrong: readonly string[]
  readonly seconds: number
}

let peakRss = 0
let worstStallMs = 0

async function main(): Promise<void> {
  const chosen = CLASSES.map(({ name, cases }) => ({
    name,
    cases: cases.filter(
      ({ id }) =>
        (values.case === undefined || id === values.case) &&
        (values.class === undefined || name === values.class),
    ),
  })).filter(({ cases }) => cases.length > 0)
  if (values.list) {
    for (const { id } of chosen.flatMap(({ cases }) => cases)) console.log(id)
    return
  }
  checkIds(chosen.flatMap(({ cases }) => cases))
  for (const engine of await chooseEngines('bad-input', values.engine)) await runOn(engine, chosen)
}

async function runOn(engine: QueueEngine, chosen: readonly Chosen[]): Promise<void> {
  console.log(`with the queue on ${engine === 'redis' ? 'Redis' : 'Postgres'}`)
  const started = performance.now()
  const target = await startTarget(engine)
  const rows: Row[] = []
  const end = (): void => void target.stop().finally(() => process.exit(1))
  process.once('SIGINT', end).once('SIGTERM', end)
  try {
    for (const { name, cases } of chosen) rows.push(await runClass(target, name, cases))
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end)
    await target.stop()
  }
  report(rows, (performance.now() - started) / 1_000)
}

function checkIds(cases: readonly Case[]): void {
  const seen = new Set<string>()
  for (const { id } of cases) {
    if (seen.has(id)) throw new Error(`two cases are called ${id}`)
    seen.add(id)
  }
  if (cases.length === 0) throw new Error('no case is called so: see --list')
}

async function runClass(target: Target, name: string, cases: readonly Case[]): Promise<Row> {
  const started = performance.now()
  const verdicts = { accepted: 0, refused: 0 }
  const wrong: string[] = []
  for (let at = 0; at < cases.length; at += AT_ONCE) {
    const batch = cases.slice(at, at + AT_ONCE)
    const { told, faults } = await runBatch(target, batch)
    for (const { verdict } of told) verdicts[verdict]++
    wrong.push(...faults)
    if (target.ended()) break
  }
  wrong.push(...(await target.damage()).map((what) => `${name}: ${what}`))
  const row = {
    name,
    cases: cases.length,
    ...verdicts,
    wrong,
    seconds: (performance.now() - started) / 1_000,
  }
  print(row)
  return row
}

interface Batch {
  readonly told: readonly Told[]
  readonly faults: readonly string[]
}

async function runBatch(target: Target, batch: readonly Case[]): Promise<Batch> {
  const before = await target.events()
  await target.pulse()
  const settled = await Promise.allSettled(batch.map((each) => each.run(target)))
  const told = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const faults = settled.flatMap((result, i) =>
    result.status === 'rejected' ? [`${batch[i]?.id}: ${(result.reason as Error).message}`] : [],
  )
  if (target.ended())
    return { told, faults: [...faults, `the server died in ${batch[0]?.id} … ${batch.at(-1)?.id}`] }
  const { wallMs, cpuMs, rssBytes } = await target.pulse()
  peakRss = Math.max(peakRss, rssBytes)
  const stored = (await target.events()) - before
  const promised = told.reduce((sum, { events }) => sum + events, 0)
  if (faults.length === 0 && stored !== promised)
    faults.push(
      `${batch[0]?.id} … ${batch.at(-1)?.id}: told of ${promised} events, the ledger has ${stored} more`,
    )
  if (rssBytes > MAX_RSS_BYTES)
    faults.push(`${batch[0]?.id} …: ${Math.round(rssBytes / 1_048_576)} MB of memory`)
  if (cpuMs > MAX_STALL_MS || wallMs > MAX_PAUSE_MS) faults.push(...(await findStalls(target, batch)))
  else worstStallMs = Math.max(worstStallMs, cpuMs)
  return { told, faults }
}

/** Many cases at once on a busy machine prove nothing: each is run alone, until it has once been quick. */
async function findStalls(target: Target, batch: readonly Case[]): Promise<readonly string[]> {
  const faults: string[] = []
  for (const each of batch) {
    let quickestMs = Infinity
    for (let i = 0; i < CONFIRMATIONS && quickestMs > MAX_STALL_MS; i++) {
      await target.pulse()
      await each.run(target).catch(() => undefined)
      const { wallMs, cpuMs } = await target.pulse()
      quickestMs = Math.min(quickestMs, wallMs > MAX_PAUSE_MS ? wallMs : cpuMs)
    }
    worstStallMs = Math.max(worstStallMs, quickestMs)
    if (quickestMs > MAX_STALL_MS)
      faults.push(`${each.id}: holds the event loop up for ${Math.round(quickestMs)} ms`)
  }
  return faults
}

function print({ name, cases, accepted, refused, wrong, seconds }: Row): void {
  const numbers = [cases, accepted, refused, wrong.length].map((value) => String(value).padStart(9))
  console.log(`${name.padEnd(28)}${numbers.join('')}${seconds.toFixed(1).padStart(8)} s`)
}

function report(rows: readonly Row[], seconds: number): void {
  const sum = (of: (row: Row) => number): number => rows.reduce((total, row) => total + of(row), 0)
  const wrong = rows.flatMap((row) => row.wrong)
  print({
    ...{ name: 'all', cases: sum((row) => row.cases), accepted: sum((row) => row.accepted) },
    ...{ refused: sum((row) => row.refused), wrong, seconds },
  })
  const memory = `${Math.round(peakRss / 1_048_576)} MB of memory at most`
  console.log(`\nlongest hold-up of the event loop ${worstStallMs.toFixed(0)} ms, ${memory}`)
  for (const line of wrong.slice(0, 60)) console.log(`  ✖ ${line}`)
  if (wrong.length > 0) console.log(`\nWRONG: ${wrong.length}; run one again with --case ID`)
  if (wrong.length > 0) process.exitCode = 1
}

console.log(
  `${'class'.padEnd(28)}${['cases', 'accepted', 'refused', 'wrong'].map((text) => text.padStart(9)).join('')}`,
)
await main()
