import { machine, versions } from '../chaos/report.ts'
import type { Overload } from './overload.ts'
import { type Series, toSeries } from './series.ts'
import type { Soak } from './soak.ts'

export interface ReportOptions {
  readonly engine: string
  readonly minutes: number
  readonly seed: number
  readonly command: string
}

/** Half of a short run, five minutes of a long one: what comes before is warming up. */
const warmMinutes = (minutes: number): number => Math.min(5, minutes / 2)

const MOST_HEAP_PERCENT = 1
const MORE_DESCRIPTORS = 15
const MORE_CONNECTIONS = 15
const MOST_RECOVERY_MS = 30_000
const REFUSALS = ['429', '503']

/** What must not be; empty when all is well. */
export function judgeSoak(soak: Soak, minutes: number): string[] {
  const grown = toSeries(soak.samples, warmMinutes(minutes)).flatMap(growth)
  return [...soak.verdict.wrong, ...grown, ...leftAtRest(soak.atRest.values), ...overdone(soak.overload)]
}

function growth({ name, first, last, slope }: Series): string[] {
  if (name.endsWith('heap, MiB') && slope !== null && slope.atLeast > MOST_HEAP_PERCENT)
    return [`${name} grows by at least ${slope.atLeast.toFixed(1)} % an hour`]
  const room = name.endsWith('descriptors') ? MORE_DESCRIPTORS : MORE_CONNECTIONS
  const counted = name.endsWith('descriptors') || name.endsWith('connections')
  return counted && last > first + room ? [`${name}: ${first}, at the end ${last}`] : []
}

/** What may be there when nothing is to do. */
const AT_REST = { 'Redis: keys': 200, 'outbox: rows': 0, 'folder: temporary files': 0 }

function leftAtRest(values: Readonly<Record<string, number>>): string[] {
  return Object.entries(AT_REST).flatMap(([name, most]) => {
    const value = values[name] ?? 0
    return value > most ? [`${name} at rest: ${value}`] : []
  })
}

function overdone({ refusals, recoveryMs }: Overload): string[] {
  const other = [...refusals].filter(([why]) => !REFUSALS.includes(why))
  const late = recoveryMs > MOST_RECOVERY_MS
  return [
    ...other.map(([why, times]) => `overload: ${times} events were refused with ${why}`),
    ...(late ? [`overload: accepted as before only after ${Math.round(recoveryMs / 1_000)} s`] : []),
  ]
}

/** What happened, as Markdown. */
export function toReport(soak: Soak, wrong: readonly string[], options: ReportOptions): string {
  const { told, verdict, overload, atRest, struck, peak } = soak
  const refused = [...overload.refusals].map(([why, n]) => `${why}: ${n}`).join(', ') || 'none'
  return `# Soak on ${options.engine === 'redis' ? 'Redis' : 'Postgres'}

${wrong.length === 0 ? 'Nothing lost, nothing grew.' : `**${wrong.length} things are wrong.**`}

| | |
| --- | --- |
| command | \`${options.command}\` |
| seed | ${options.seed} |
| date | ${new Date().toISOString().slice(0, 10)} |
| machine | ${machine()} |
| versions | ${versions()} |
| peak | ${Math.round(peak)} events/s accepted and run, load and cluster on the same machine |
| soak | ${options.minutes} min at ${Math.round(peak / 2)} events/s, ${[...struck.values()].reduce((a, b) => a + b, 0)} faults of ${struck.size} kinds |
| events | ${told.total('offered')} offered, ${told.total('acknowledged')} acknowledged, ${verdict.runs} run, ${verdict.reruns} runs again, ${verdict.ticks} ticks |
| acknowledged and lost | ${wrong.filter((line) => line.startsWith('acknowledged and lost')).length} |
| refused, or never answered, in all | ${[...told.refusals].map(([why, n]) => `${why}: ${n}`).join(', ') || 'none'} |

## What was used

One broker and one worker live through the whole run; faults end the others. Each minute counts with its lowest value.

| | first | last | most | slope an hour | at rest |
| --- | ---: | ---: | ---: | ---: | ---: |
${toSeries(soak.samples, warmMinutes(options.minutes))
  .map((one) => row(one, atRest.values[one.name]))
  .join('\n')}

## Overload

| | |
| --- | --- |
| peak | ${Math.round(overload.peak)} events/s, batches of CloudEvents alone |
| offered | ${overload.perSecond} events/s for ${overload.seconds} s: ${overload.offered} events |
| accepted | ${overload.accepted} |
| refused | ${refused} |
| accepted as fast as before | ${(overload.recoveryMs / 1_000).toFixed(1)} s after the last |
| all had run | ${(verdict.drainMs / 1_000).toFixed(1)} s after that |
| most memory of all processes | ${Math.round(overload.peakMiB)} MiB |
${
  wrong.length === 0
    ? ''
    : `\n## Wrong\n\n${wrong
        .slice(0, 30)
        .map((line) => `- ${line}`)
        .join('\n')}\n`
}`
}

function row({ name, first, last, max, slope }: Series, atRest: number | undefined): string {
  const show = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(1))
  const grown = slope === null ? '–' : `${slope.percent.toFixed(1)} % (≥ ${slope.atLeast.toFixed(1)} %)`
  return `| ${name} | ${show(first)} | ${show(last)} | ${show(max)} | ${grown} | ${atRest === undefined ? '–' : show(atRest)} |`
}
