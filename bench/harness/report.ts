import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { drawChart } from './chart.ts'
import type { Outcome, Row } from './contest.ts'

export interface Report {
  readonly group: string
  readonly command: string
  readonly date: string
  readonly commit: string
  readonly machine: string
  readonly node: string
  readonly servers: string
  readonly versions: Readonly<Record<string, string>>
  readonly quick: boolean
  readonly outcomes: readonly Outcome[]
}

/** Above it, others take the cores that are measured: figures are kept, and marked. */
const BUSY = 3

export function describeMachine(): Pick<Report, 'date' | 'commit' | 'machine' | 'node'> {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim()
  const [cpu] = cpus()
  return {
    date: new Date().toISOString(),
    commit: git('rev-parse', '--short', 'HEAD'),
    machine: `${cpus().length} cores (${cpu?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GB`,
    node: process.version,
  }
}

/** A table for the terminal and for Markdown: both read well. */
export function toTable({ title, rows, headline, load, loadAverage, othersCores }: Outcome): string {
  const figures = Object.keys(rows[0]?.figures ?? {}).filter((key) => key !== 'count')
  const head = ['', ...figures, `ours ÷ it, ${headline} (min–max)`, 'CPU ms per 1,000', 'memory MB']
  const body = rows.map((row) => [
    row.name,
    ...figures.map((key) => format(row.figures[key] ?? 0)),
    ratioOf(row, headline),
    format(row.cpuMsPerThousand),
    format(ownMemory(row)),
  ])
  const widths = head.map((text, at) =>
    Math.max(text.length, ...body.map((cells) => (cells[at] ?? '').length)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(' | ')} |`
  const rule = `| ${widths.map((width, at) => (at === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  const busy = loadAverage > BUSY ? ' **Busy machine.**' : ''
  const note = `${load.seconds} s a turn; load average before: ${loadAverage.toFixed(1)}; others on the machine took ${othersCores.toFixed(1)} cores.${busy}`
  return [`### ${title}`, '', note, '', line(head), rule, ...body.map(line), ''].join('\n')
}

export async function writeReport(report: Report, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const path = (ending: string): string => join(folder, `${report.group}.${ending}`)
  await writeFile(path('json'), `${JSON.stringify(report, null, 2)}\n`)
  await writeFile(path('svg'), drawChart(report))
  await writeFile(path('md'), toMarkdown(report))
}

function toMarkdown(report: Report): string {
  const versions = Object.entries(report.versions).map(([name, version]) => `${name} ${version}`)
  const promises = new Map(
    report.outcomes.flatMap(({ rows }) => rows.map((row) => [row.name, row.durability])),
  )
  return [
    `# ${report.group}`,
    '',
    '```sh',
    report.command,
    '```',
    '',
    `${report.date.slice(0, 16).replace('T', ' ')} UTC, commit ${report.commit}; ${report.machine}; Node ${report.node}; ${report.servers}.`,
    `${versions.join(', ')}. Medians; ratios are those of the rounds, in which all sides take turns.`,
    '',
    'What is on disk when each says "accepted":',
    '',
    ...[...promises].map(([name, durability]) => `- ${name}: ${durability}`),
    '',
    `![ours ÷ theirs](${report.group}.svg)`,
    '',
    ...report.outcomes.map(toTable),
    ...report.outcomes.map(toProcesses),
  ].join('\n')
}

/** CPU and memory of every process. */
function toProcesses({ title, rows }: Outcome): string {
  const lines = rows.map(({ name, processes }) => {
    const parts = Object.entries(processes).map(
      ([label, { cpuMs, rssMb }]) => `${label} ${format(cpuMs)} ms, ${format(rssMb)} MB`,
    )
    return `- ${name}: ${parts.join(' · ')}`
  })
  return [`### Processes, CPU of one turn and memory: ${title}`, '', ...lines, ''].join('\n')
}

/** Of the side itself: the servers are shared. */
function ownMemory({ processes }: Row): number {
  return Object.entries(processes)
    .filter(([label]) => label !== 'postgres' && label !== 'redis')
    .reduce((sum, [, { rssMb }]) => sum + rssMb, 0)
}

function ratioOf({ ratios }: Row, headline: string): string {
  const { median, min, max } = ratios[headline] ?? { median: 0, min: 0, max: 0 }
  return `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`
}

function format(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(value >= 10 ? 1 : 2)
}
