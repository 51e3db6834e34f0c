import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { chooseEngines, type QueueEngine } from '../support/engines.ts'
import { toReport } from './report.ts'
import { selfTest } from './self-test.ts'
import { type Progress, runTrial } from './trial.ts'

/**
 * All triggers under load, two brokers and two workers, and one fault after the other between and in them. At the end,
 * what functions did is compared with what sources were told.
 *
 * `npm run chaos [-- --engine redis --events 20000 --faults 100 --seed 7 --release --self-test --report FILE]`
 *
 * `--only KIND` (again and again) strikes with these kinds alone; `--gap` ms between two faults; `--waiting` events at most that
 * have not run yet; `--rest` ms that each function takes.
 */
const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'both' },
    events: { type: 'string', default: '20000' },
    faults: { type: 'string', default: '100' },
    seed: { type: 'string' },
    only: { type: 'string', multiple: true },
    gap: { type: 'string', default: '150' },
    waiting: { type: 'string', default: '15000' },
    rest: { type: 'string', default: '2' },
    release: { type: 'boolean', default: false },
    'self-test': { type: 'boolean', default: false },
    report: { type: 'string' },
  },
})

const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))

async function main(): Promise<boolean> {
  if (values['self-test']) return selfTest(seed)
  const engines = await chooseEngines('chaos', values.engine)
  const events = Math.round((values.release ? 1_000_000 : Number(values.events)) / engines.length)
  const faults = Math.round((values.release ? 1_000 : Number(values.faults)) / engines.length)
  console.log(`chaos: ${events} events and ${faults} faults on each of ${engines.join(', ')}; seed ${seed}`)
  let good = true
  for (const engine of engines) good = (await runOn(engine, events, faults)) && good
  console.log(good ? '\nnothing lost, nothing twice' : `\nWRONG: run it again with --seed ${seed}`)
  return good
}

async function runOn(engine: QueueEngine, events: number, faults: number): Promise<boolean> {
  const trial = await runTrial({
    ...{ engine, events, faults, seed, batch: events >= 100_000 ? 25 : 5 },
    ...{
      gapMs: Number(values.gap),
      maxWaiting: Number(values.waiting),
      restMs: Number(values.rest),
      ...(values.only && { only: values.only }),
    },
    onProgress: (progress) => process.stderr.write(`\r\u001b[K${engine}: ${line(progress, events, faults)}`),
  })
  process.stderr.write('\r\u001b[K')
  const text = toReport(trial, {
    title: `Chaos on ${engine === 'redis' ? 'Redis' : 'Postgres'}`,
    command: `npm run chaos -- ${process.argv.slice(2).map(quoted).join(' ')}${values.seed ? '' : ` --seed ${seed}`}`,
    seed,
  })
  console.log(`\n${text}`)
  const file = values.report ?? (values.release ? `docs/reports/chaos-release-${engine}.md` : null)
  if (file !== null) {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
  }
  if (trial.verdict.wrong.length > 0) console.log(`the log of the processes: ${trial.logFile}`)
  return trial.verdict.wrong.length === 0
}

function quoted(argument: string): string {
  return argument.includes(' ') ? `'${argument}'` : argument
}

function line(
  { offered, waiting, struck, fault, elapsedMs }: Progress,
  events: number,
  faults: number,
): string {
  const [s, e] = [Math.round(elapsedMs / 1_000), Math.round(offered)]
  return `${e}/${events} events, ${waiting} waiting, fault ${struck}/${faults}, ${s} s, ${fault}`
}

process.exitCode = (await main()) ? 0 : 1
