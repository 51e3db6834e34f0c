import type { Failure } from '../errors.ts'
import { formatMs } from '../lib/duration.ts'
import type { LogLine } from '../runtime/runtime.ts'
import type { RunState } from '../store/run-state.ts'
import type { Attempt, Run } from '../store/store.ts'
import { firstLine, formatAge, formatTable, type Paint, pad, printable } from './text.ts'

/** Records as the API sends them: instants are text. */
type Sent<T> = {
  readonly [Key in keyof T]: T[Key] extends Date
    ? string
    : T[Key] extends Date | null
      ? string | null
      : T[Key]
}

export type SentRun = Sent<Run>
export type SentAttempt = Sent<Attempt>

/** All about one run, as `GET runs/<id>` answers it. */
export interface RunDetails {
  readonly run: SentRun
  readonly event: {
    readonly type: string
    readonly source: string
    readonly id: string
    readonly data: unknown
  } | null
  readonly attempts: readonly SentAttempt[]
  readonly logs: readonly LogLine[]
}

const ICONS: Readonly<Record<RunState, string>> = {
  accepted: '·',
  queued: '·',
  running: '●',
  retrying: '↻',
  completed: '✔',
  dead: '✖',
  cancelled: '⊘',
}

/** Icon and word, so that colour is never all there is. */
export function stateText(state: RunState, { green, red, yellow, cyan }: Paint): string {
  const text = `${ICONS[state]} ${state}`
  if (state === 'completed') return green(text)
  if (state === 'dead') return red(text)
  if (state === 'retrying') return yellow(text)
  return state === 'running' ? cyan(text) : text
}

const TITLES = ['RUN', 'FUNCTION', 'STATE', 'ATT', 'DURATION', 'AGE', 'ERROR']

export function runTable(runs: readonly SentRun[], paint: Paint, width: number, now = new Date()): string {
  const rows = runs.map((run) => [
    run.id,
    run.functionId,
    stateText(run.state, paint),
    attemptText(run),
    durationText(run),
    formatAge(new Date(run.createdAt), now),
    run.failure ? firstLine(run.failure.message, 80) : '',
  ])
  return formatTable(TITLES, rows, width)
}

/** One line for a run as it changes. */
export function runLine(run: SentRun, paint: Paint, at = new Date()): string {
  const parts = [
    paint.dim(at.toTimeString().slice(0, 8)),
    run.functionId,
    run.id,
    pad(stateText(run.state, paint), 11),
    attemptText(run),
    durationText(run),
    run.failure ? firstLine(run.failure.message, 80) : '',
  ]
  return parts.filter((part) => part !== '').join('  ')
}

export function runDetails({ run, event, attempts, logs }: RunDetails, paint: Paint, width: number): string {
  const { bold, dim } = paint
  const head = `${bold(run.id)}  ${run.functionId}  ${stateText(run.state, paint)}  ${dim(run.createdAt)}`
  const source = event
    ? `${run.eventId}  ${event.type}  ${printable(event.source)} ${printable(event.id)}`
    : run.eventId
  return [
    head,
    section('event', source, paint),
    ...(event ? [section('payload', jsonText(event.data), paint)] : []),
    ...(attempts.length > 0 ? ['', attemptTable(attempts, width)] : []),
    ...(run.failure ? ['', failureText(run.failure, paint)] : []),
    ...(run.state === 'completed' ? [section('result', jsonText(run.result), paint)] : []),
    ...(logs.length > 0 ? ['', ...logs.map((line) => logText(line, paint))] : []),
    ...nextSteps(run, paint),
  ].join('\n')
}

function attemptText({ attempt, maxAttempts }: SentRun): string {
  return `${attempt}/${maxAttempts}`
}

function durationText({ startedAt, createdAt, finishedAt }: SentRun): string {
  if (finishedAt === null || startedAt === null) return ''
  return formatMs(Math.max(0, Date.parse(finishedAt) - Date.parse(createdAt)))
}

function section(name: string, text: string, { dim }: Paint): string {
  return `${dim(pad(name, 9))}${text}`
}

function jsonText(value: unknown): string {
  return firstLine(JSON.stringify(value) ?? 'null', 2_000)
}

function attemptTable(attempts: readonly SentAttempt[], width: number): string {
  const rows = attempts.map(({ number, outcome, startedAt, finishedAt, version, failure }) => [
    String(number),
    outcome,
    startedAt,
    formatMs(Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt))),
    version ?? '',
    failure ? firstLine(failure.message, 80) : '',
  ])
  return formatTable(['ATTEMPT', 'OUTCOME', 'STARTED', 'TOOK', 'CODE', 'ERROR'], rows, width)
}

function failureText({ name, code, message, stack }: Failure, { red }: Paint): string {
  const head = red(`${name}${code === null ? '' : ` (${code})`}: ${printable(message)}`)
  const frames = (stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return [head, ...frames.slice(0, 8).map(printable)].join('\n')
}

/** One line of a function's log. */
export function logText(
  { time, level, message, attempt, fields }: LogLine,
  { dim, red, yellow }: Paint,
): string {
  const tint = level === 'error' ? red : level === 'warn' ? yellow : (text: string) => text
  const more = fields === null ? '' : ` ${dim(jsonText(fields))}`
  return `${dim(time.slice(11, 23))} ${tint(pad(level, 5))} #${attempt} ${printable(message)}${more}`
}

function nextSteps({ id, state }: SentRun, { dim }: Paint): string[] {
  if (state !== 'dead' && state !== 'cancelled') return []
  return ['', dim(`next     npx tappet replay ${id}   ·   npx tappet replay ${id} --edit '…'`)]
}
