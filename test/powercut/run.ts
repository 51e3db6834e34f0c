import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { machine, versions } from '../chaos/report.ts'
import { startRedis } from '../support/redis-server.ts'
import { type Edit, sabotaged } from '../support/sabotage.ts'
import { whatIsMissing } from './disk.ts'
import { KINDS } from './load.ts'
import { runTrial, type Trial } from './trial.ts'

/**
 * The power of the disk is cut under load, again and again: an ext4 file system on a loop device that drops what was not
 * synced. Postgres, uploads and Redis are on it; what was acknowledged is noted elsewhere, and must be there afterwards.
 *
 * `npm run powercut [-- --cuts 10 --engine redis --seed 7 --release --self-test --if-possible --report FILE]`
 */
const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'both' },
    cuts: { type: 'string' },
    seed: { type: 'string' },
    release: { type: 'boolean', default: false },
    'self-test': { type: 'boolean', default: false },
    'if-possible': { type: 'boolean', default: false },
    report: { type: 'string' },
  },
})

type Engine = 'redis' | 'postgres'

const CLI = join(import.meta.dirname, '..', '..', 'dist', 'bin', 'tappet.js')
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const cuts = Number(values.cuts ?? (values.release ? 200 : 10))

async function main(): Promise<number> {
  const missing = await whatIsMissing()
  if (missing !== null) {
    console.log(`powercut: left out, because ${missing}`)
    return values['if-possible'] ? 0 : 1
  }
  if (values['self-test']) return (await selfTest()) ? 0 : 1
  const trials = new Map<Engine, Trial>()
  for (const engine of await chooseEngines()) {
    console.log(`powercut: ${cuts} cuts with the queue on ${engine}; seed ${seed}`)
    trials.set(engine, await runTrial({ engine, cuts, seed, cli: CLI, onProgress: progress }))
    process.stderr.write('\r\u001b[K')
  }
  const text = toReport(trials)
  console.log(`\n${text}`)
  const file = values.report ?? (values.release ? 'docs/reports/powercut.md' : null)
  if (file !== null) {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
  }
  const wrong = [...trials.values()].flatMap((trial) => trial.wrong)
  console.log(wrong.length === 0 ? 'nothing lost' : `WRONG: run it again with --seed ${seed}`)
  return wrong.length === 0 ? 0 : 1
}

async function chooseEngines(): Promise<readonly Engine[]> {
  if (values.engine === 'redis' || values.engine === 'postgres') return [values.engine]
  const redis = await startRedis()
  await redis?.stop()
  return redis ? ['postgres', 'redis'] : ['postgres']
}

const progress: NonNullable<Parameters<typeof runTrial>[0]['onProgress']> = (cut, told) =>
  void process.stderr.write(`\r\u001b[Kcut ${cut}/${cuts}: ${told.total('acknowledged')} acknowledged`)

function toReport(trials: ReadonlyMap<Engine, Trial>): string {
  const rows = (label: string, of: (trial: Trial) => unknown): string =>
    `| ${label} | ${[...trials.values()].map((trial) => String(of(trial))).join(' | ')} |`
  const slowest = ({ restartsMs }: Trial): string => {
    const sorted = restartsMs.toSorted((a, b) => a - b)
    const at = (part: number): string =>
      ((sorted[Math.floor((sorted.length - 1) * part)] ?? 0) / 1_000).toFixed(1)
    return `p50 ${at(0.5)} s, max ${at(1)} s`
  }
  const wrong = [...trials.values()].flatMap((trial) => trial.wrong)
  return `# Power cuts

${wrong.length === 0 ? 'Nothing that was acknowledged was lost.' : `**${wrong.length} things are wrong.**`}

The disks are ext4 on loop devices, one for the databases and one for the uploads, shut down without a flush of their
journals; all processes are killed at that moment. A drive's own cache is not part of it.

| | |
| --- | --- |
| command | \`npm run powercut -- ${process.argv.slice(2).join(' ')}${values.seed ? '' : ` --seed ${seed}`}\` |
| date | ${new Date().toISOString().slice(0, 10)} |
| machine | ${machine()} |
| versions | ${versions()} |

| | ${[...trials.keys()].map((engine) => `queue on ${engine}`).join(' | ')} |
| --- | ${[...trials].map(() => '---: |').join(' ')}
${rows('cuts', ({ restartsMs }) => restartsMs.length)}
${KINDS.map((kind) => rows(`${LABELS[kind]}: acknowledged`, ({ told }) => told.acknowledged[kind])).join('\n')}
${rows('acknowledged and lost', (trial) => trial.wrong.filter((line) => line.startsWith('acknowledged')).length)}
${rows('files compared after the cut', ({ filesRead }) => filesRead)}
${rows('ticks, none missing or twice', ({ ticks }) => ticks)}
${rows('run again', ({ told }) => told.ran().again)}
${rows('not acknowledged', ({ told }) => [...told.refusals.values()].reduce((sum, n) => sum + n, 0))}
${rows('takes events in again after', slowest)}
${
  wrong.length === 0
    ? ''
    : `\n## Wrong\n\n${wrong
        .slice(0, 30)
        .map((line) => `- ${line}`)
        .join('\n')}\n`
}`
}

const LABELS: Readonly<Record<(typeof KINDS)[number], string>> = {
  http: 'HTTP',
  row: 'inserted rows',
  sql: '`tappet.send()`',
  put: 'uploads by PUT',
  form: 'uploads by form',
  tus: 'uploads by tus',
}

interface Sabotage {
  readonly name: string
  readonly edits: readonly Edit[]
  readonly environment: Readonly<Record<string, string>>
  readonly noticed: RegExp
}

const SABOTAGES: readonly Sabotage[] = [
  {
    name: 'does not wait for the ledger to reach the disk',
    edits: [
      { file: 'embedded/server.js', replace: "fsync: 'on'", by: "fsync: 'off'" },
      { file: 'embedded/server.js', replace: "synchronous_commit: 'on'", by: "synchronous_commit: 'off'" },
    ],
    environment: { TAPPET_DURABILITY: 'fast' },
    noticed: /acknowledged and lost|does not answer|not in the ledger/,
  },
  {
    name: 'does not wait for an upload to reach the disk',
    edits: [
      { file: 'triggers/upload/disk-draft.js', replace: 'await handle.sync();', by: '' },
      { file: 'triggers/upload/disk-draft.js', replace: 'await syncFolder(places.files);', by: '' },
    ],
    environment: {},
    noticed: /the file|not what the ledger says/,
  },
]

/** Whether the harness notices each. A program that cannot even start again has lost something, too. */
async function selfTest(): Promise<boolean> {
  let good = true
  for (const { name, edits, environment, noticed } of SABOTAGES) {
    const folder = await mkdtemp(join(tmpdir(), 'tappet-sabotage-'))
    try {
      const cli = await sabotaged(folder, edits)
      const options = { engine: 'postgres' as const, cuts: 8, seed, cli, environment, drainMs: 5_000 }
      const lines = await runTrial(options).then(
        ({ wrong }) => wrong,
        (error: unknown) => [`does not answer: ${String(error)}`],
      )
      const found = lines.filter((line) => noticed.test(line))
      console.log(`${found.length > 0 ? '✔' : '✖'} a program that ${name}: ${found[0] ?? 'not noticed'}`)
      good &&= found.length > 0
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  return good
}

process.exitCode = await main()
