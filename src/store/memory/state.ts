import { EventEmitter } from 'node:events'
import type { Job } from '../../queue/queue.ts'
import type { LogLine } from '../../runtime/runtime.ts'
import { mayMove, type RunState } from '../run-state.ts'
import type { Usage } from '../usage.ts'
import type { Attempt, NewEvent, Pause, Run, WorkerInfo } from '../store.ts'

export interface MemoryRun extends Mutable<Run> {
  idempotencyKey: string | null
  orderingKey: string | null
  /** In the order of its key. */
  place: number
  queuedAt: Date | null
  /** Due later than it was made, on purpose. */
  delayed: boolean
  crashes: number
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

export interface MemoryEvent {
  readonly stored: NewEvent
  readonly receivedAt: Date
}

/** The ledger's tables as maps. */
export interface State {
  readonly now: () => Date
  readonly events: Map<string, MemoryEvent>
  readonly names: Map<string, string>
  readonly aliases: Map<string, string>
  readonly runs: Map<string, MemoryRun>
  readonly attempts: Map<string, Attempt[]>
  readonly logs: LogLine[]
  readonly paused: Map<string, Pause>
  readonly heartbeats: Map<string, Date>
  readonly workers: Map<string, WorkerInfo>
  readonly finished: EventEmitter
  readonly lastPlace: { value: number }
  /** Sums of days that are over, by day and function. */
  readonly usage: Map<string, Usage>
}

export function createState(now: () => Date): State {
  return {
    now,
    events: new Map(),
    names: new Map(),
    aliases: new Map(),
    runs: new Map(),
    attempts: new Map(),
    logs: [],
    paused: new Map(),
    heartbeats: new Map(),
    workers: new Map(),
    finished: new EventEmitter().setMaxListeners(0),
    lastPlace: { value: 0 },
    usage: new Map(),
  }
}

/** The run of a function's ordering key that may start. */
export function headOf(state: State, { functionId, orderingKey }: Keyed): MemoryRun | undefined {
  if (orderingKey === null) return undefined
  return openOf(state, functionId, orderingKey).find(({ held }) => !held)
}

/** Makes the next one of a key the head when a run has ended. */
export function releaseNext(state: State, { functionId, orderingKey }: Keyed): void {
  if (orderingKey === null || headOf(state, { functionId, orderingKey })) return
  const [next] = openOf(state, functionId, orderingKey).toSorted((a, b) => a.place - b.place)
  if (!next) return
  next.held = false
  if (next.state === 'queued') next.queuedAt = state.now()
  if (next.dueAt <= state.now()) state.finished.emit('released', [toJob(next)])
}

type Keyed = Pick<MemoryRun, 'functionId' | 'orderingKey'>

function openOf(state: State, functionId: string, orderingKey: string): MemoryRun[] {
  return [...state.runs.values()].filter(
    (run) => run.functionId === functionId && run.orderingKey === orderingKey && run.finishedAt === null,
  )
}

/** In the order in which they were made. */
export function allRuns({ runs }: State): MemoryRun[] {
  return [...runs.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

export function ago({ now }: State, ms: number): Date {
  return new Date(now().getTime() - ms)
}

export function toJob({ id, functionId, lease }: MemoryRun): Job {
  return { runId: id, functionId, lease }
}

export function move(run: MemoryRun, to: RunState, changes: Partial<MemoryRun>): void {
  if (!mayMove(run.state, to)) throw new Error(`run ${run.id} may not move from ${run.state} to ${to}`)
  Object.assign(run, changes, { state: to })
}

export function record(
  state: State,
  run: MemoryRun,
  outcome: Attempt['outcome'],
  more: Partial<Attempt>,
): void {
  const { lease, attempt: number, worker, startedAt } = run
  const at = state.now()
  const times = { startedAt: startedAt ?? at, finishedAt: at }
  const attempt = {
    lease,
    number,
    outcome,
    worker,
    version: null,
    failure: null,
    meter: null,
    ...times,
    ...more,
  }
  state.attempts.set(run.id, [...(state.attempts.get(run.id) ?? []), attempt])
}

/** A run whose worker is gone goes back without having used an attempt. */
export function putBack(state: State, run: MemoryRun): Job {
  record(state, run, 'lost', {})
  const at = state.now()
  move(run, 'queued', { attempt: run.attempt - 1, worker: null, dueAt: at, queuedAt: at })
  return toJob(run)
}
