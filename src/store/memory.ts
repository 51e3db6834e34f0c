import { EventEmitter } from 'node:events'
import type { Job } from '../queue/queue.ts'
import type { LogLine } from '../runtime/runtime.ts'
import { isFinal, mayMove, type RunState } from './run-state.ts'
import type { Acceptance, Attempt, Claim, NewEvent, Outcome, Run, Store } from './store.ts'

interface MemoryRun extends Mutable<Run> {
  idempotencyKey: string | null
  queuedAt: Date | null
  /** Due later than it was made, on purpose. */
  delayed: boolean
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

interface MemoryEvent {
  readonly stored: NewEvent
  readonly receivedAt: Date
}

interface State {
  readonly events: Map<string, MemoryEvent>
  readonly names: Map<string, string>
  readonly runs: Map<string, MemoryRun>
  readonly attempts: Map<string, Attempt[]>
  readonly logs: LogLine[]
  readonly heartbeats: Map<string, Date>
  readonly finished: EventEmitter
}

/** The ledger in memory: held to the same conformance suite as Postgres, gone with the process. For tests. */
export function createMemoryStore(now: () => Date = () => new Date()): Store {
  const state: State = {
    events: new Map(),
    names: new Map(),
    runs: new Map(),
    attempts: new Map(),
    logs: [],
    heartbeats: new Map(),
    finished: new EventEmitter().setMaxListeners(0),
  }
  const all = (): MemoryRun[] => [...state.runs.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const ago = (ms: number): Date => new Date(now().getTime() - ms)

  return {
    accept: async (event) => accept(state, structuredClone(event), now()),
    async markQueued(jobs) {
      for (const job of jobs) {
        const run = state.runs.get(job.runId)
        if (run?.lease !== job.lease || (run.state !== 'accepted' && run.state !== 'retrying')) continue
        move(run, 'queued', { queuedAt: now() })
      }
    },
    claim: async (job, workerId) => claim(state, job, workerId, now()),
    async finish({ runId, lease, outcome, version }) {
      const run = state.runs.get(runId)
      if (run?.lease !== lease || run.state !== 'running') return false
      record(state, run, outcome.kind, now(), {
        version,
        failure: 'failure' in outcome ? outcome.failure : null,
      })
      end(run, outcome, now())
      if (isFinal(run.state)) state.finished.emit('run', runId)
      return true
    },
    due: async (limit) =>
      all()
        .filter((run) => isDue(run, now(), ago(1_000)))
        .toSorted((a, b) => a.dueAt.getTime() - b.dueAt.getTime())
        .slice(0, limit)
        .map(toJob),
    async nextDueMs() {
      const times = all()
        .filter((run) => (run.state === 'accepted' || run.state === 'retrying') && run.dueAt > now())
        .map(({ dueAt }) => dueAt.getTime() - now().getTime())
      return times.length > 0 ? Math.min(...times) : null
    },
    queued: async (after, olderThanMs, limit) =>
      all()
        .filter(
          (run) => run.state === 'queued' && run.id > after && (run.queuedAt ?? now()) <= ago(olderThanMs),
        )
        .slice(0, limit)
        .map(toJob),
    async heartbeat(worker, held) {
      state.heartbeats.set(worker.id, now())
      return held.filter(({ runId, lease }) => !isHeld(state.runs.get(runId), lease, worker.id))
    },
    async disown(workerId, held) {
      const known = new Set(held.map(({ runId, lease }) => `${runId}-${lease}`))
      const lost = all().filter(
        (run) =>
          run.state === 'running' &&
          run.worker === workerId &&
          !known.has(`${run.id}-${run.lease}`) &&
          (run.startedAt ?? now()) < ago(5_000),
      )
      return lost.map((run) => putBack(state, run, now()))
    },
    async reclaim(silentMs, maxLosses) {
      const lost = all().filter(({ state: at, worker }) => {
        if (at !== 'running' || worker === null) return false
        return (state.heartbeats.get(worker) ?? new Date(0)) < ago(silentMs)
      })
      return lost.flatMap((run) => reclaimOne(state, run, maxLosses, now()) ?? [])
    },
    async leave(workerId) {
      state.heartbeats.delete(workerId)
      return all()
        .filter((run) => run.state === 'running' && run.worker === workerId)
        .map((run) => putBack(state, run, now()))
    },
    async appendLogs(lines) {
      state.logs.push(...lines)
    },

    run: async (runId) => structuredClone(state.runs.get(runId) ?? null),
    runs: async ({ state: wanted, functionId, before, limit = 50 }) =>
      all()
        .toReversed()
        .filter((run) => wanted === undefined || run.state === wanted)
        .filter((run) => functionId === undefined || run.functionId === functionId)
        .filter((run) => before === undefined || run.id < before)
        .slice(0, Math.min(limit, 500)),
    async event(eventId) {
      const found = state.events.get(eventId)
      return found ? { envelope: found.stored.envelope, receivedAt: found.receivedAt } : null
    },
    attempts: async (runId) => state.attempts.get(runId) ?? [],
    logs: async (runId) => state.logs.filter((line) => line.runId === runId),
    stats: async () => stats(all()),

    async replay(runId) {
      const run = state.runs.get(runId)
      if (run?.state !== 'dead' && run?.state !== 'cancelled') return null
      const fresh = {
        attempt: 0,
        losses: 0,
        dueAt: now(),
        queuedAt: now(),
        finishedAt: null,
        failure: null,
      }
      move(run, 'queued', fresh)
      return toJob(run)
    },
    async cancel(runId) {
      const run = state.runs.get(runId)
      if (!run || isFinal(run.state)) return false
      if (run.state === 'running') record(state, run, 'cancelled', now(), {})
      move(run, 'cancelled', { finishedAt: now(), worker: null })
      state.finished.emit('run', runId)
      return true
    },
    retire: async ({ runsMs, deadMs }) => retire(state, ago(runsMs), ago(deadMs)),

    onFinished(listener) {
      state.finished.on('run', listener)
      return () => state.finished.off('run', listener)
    },
    ping: async () => ({ ms: 0, clockOffsetMs: now().getTime() - Date.now() }),
    close: async () => undefined,
  }
}

function accept(state: State, event: NewEvent, at: Date): Acceptance {
  const names = [event.envelope.id, ...event.aliases].map((id) => JSON.stringify([event.envelope.source, id]))
  const first = names.flatMap((name) => state.names.get(name) ?? [])[0]
  if (first !== undefined) {
    const runIds = [...state.runs.values()].filter(({ eventId }) => eventId === first).map(({ id }) => id)
    return { eventId: first, runIds, duplicate: true, jobs: [] }
  }
  for (const name of names) state.names.set(name, event.id)
  state.events.set(event.id, { stored: event, receivedAt: at })
  const jobs: Job[] = []
  const runIds = event.runs.map((wanted) => {
    const same = [...state.runs.values()].find(
      ({ functionId, idempotencyKey }) =>
        idempotencyKey !== null &&
        functionId === wanted.functionId &&
        idempotencyKey === wanted.idempotencyKey,
    )
    if (same) return same.id
    const run = makeRun(wanted, event, at)
    state.runs.set(run.id, run)
    jobs.push(toJob(run))
    return run.id
  })
  const duplicate = event.runs.length > 0 && jobs.length === 0
  return { eventId: event.id, runIds, duplicate, jobs: event.delayMs > 0 ? [] : jobs }
}

function makeRun(
  { id, functionId, trigger, ...rest }: NewEvent['runs'][number],
  event: NewEvent,
  at: Date,
): MemoryRun {
  const { idempotencyKey, maxAttempts } = rest
  return {
    ...{
      id,
      functionId,
      trigger,
      idempotencyKey,
      maxAttempts,
      eventId: event.id,
      state: 'accepted',
    },
    ...{
      attempt: 0,
      lease: 0,
      losses: 0,
      worker: null,
      result: null,
      failure: null,
      delayed: event.delayMs > 0,
    },
    ...{
      dueAt: new Date(at.getTime() + event.delayMs),
      createdAt: at,
      queuedAt: null,
      startedAt: null,
      finishedAt: null,
    },
  }
}

function claim(state: State, job: Job, workerId: string, at: Date): Claim | null {
  const run = state.runs.get(job.runId)
  if (!run || run.lease !== job.lease || !mayMove(run.state, 'running') || run.dueAt > at) return null
  const event = state.events.get(run.eventId)
  if (!event) return null
  move(run, 'running', {
    attempt: run.attempt + 1,
    lease: run.lease + 1,
    worker: workerId,
    startedAt: at,
  })
  const { id: runId, functionId, lease, attempt, maxAttempts, trigger, losses } = run
  return {
    runId,
    functionId,
    lease,
    attempt,
    maxAttempts,
    trigger,
    losses,
    event: event.stored.envelope,
  }
}

function end(run: MemoryRun, outcome: Outcome, at: Date): void {
  const failure = 'failure' in outcome ? outcome.failure : null
  const common = { worker: null, failure, dueAt: at }
  switch (outcome.kind) {
    case 'completed':
      return move(run, 'completed', { ...common, result: outcome.result ?? null, finishedAt: at })
    case 'dead':
      return move(run, 'dead', { ...common, finishedAt: at })
    case 'retry':
      return move(run, 'retrying', { ...common, dueAt: new Date(at.getTime() + outcome.delayMs) })
    case 'released': {
      const losses = run.losses + (outcome.failure.code === 'TPT_SHUTDOWN' ? 0 : 1)
      return move(run, 'queued', { ...common, attempt: run.attempt - 1, losses, queuedAt: at })
    }
  }
}

function putBack(state: State, run: MemoryRun, at: Date): Job {
  record(state, run, 'lost', at, {})
  move(run, 'queued', { attempt: run.attempt - 1, worker: null, dueAt: at, queuedAt: at })
  return toJob(run)
}

function reclaimOne(state: State, run: MemoryRun, maxLosses: number, at: Date): Job | null {
  if (run.losses + 1 < maxLosses) {
    run.losses++
    return putBack(state, run, at)
  }
  record(state, run, 'lost', at, {})
  const message = `its worker was lost ${maxLosses} times while this run was on it`
  const code = 'TPT_RUN_LOST_TOO_OFTEN'
  const failure = {
    name: 'TappetError',
    message,
    stack: null,
    code,
    retryable: false,
    retryAfterMs: null,
  }
  move(run, 'dead', {
    attempt: run.attempt - 1,
    losses: run.losses + 1,
    worker: null,
    finishedAt: at,
    failure,
  })
  return null
}

function record(
  state: State,
  run: MemoryRun,
  outcome: Attempt['outcome'],
  at: Date,
  more: Partial<Attempt>,
): void {
  const { lease, attempt: number, worker, startedAt } = run
  const made = {
    lease,
    number,
    outcome,
    worker,
    version: null,
    startedAt: startedAt ?? at,
    finishedAt: at,
    failure: null,
  }
  state.attempts.set(run.id, [...(state.attempts.get(run.id) ?? []), { ...made, ...more }])
}

function move(run: MemoryRun, to: RunState, changes: Partial<MemoryRun>): void {
  if (!mayMove(run.state, to)) throw new Error(`run ${run.id} may not move from ${run.state} to ${to}`)
  Object.assign(run, changes, { state: to })
}

function isDue(run: MemoryRun, now: Date, graceEnd: Date): boolean {
  if (run.dueAt > now) return false
  if (run.state === 'retrying') return true
  return run.state === 'accepted' && (run.delayed || run.createdAt < graceEnd)
}

function isHeld(run: MemoryRun | undefined, lease: number, workerId: string): boolean {
  return run?.state === 'running' && run.lease === lease && run.worker === workerId
}

function toJob({ id, functionId, lease }: MemoryRun): Job {
  return { runId: id, functionId, lease }
}

function stats(runs: readonly MemoryRun[]): { functionId: string; state: RunState; count: number }[] {
  const counts = new Map<string, { functionId: string; state: RunState; count: number }>()
  for (const { functionId, state } of runs) {
    const row = counts.get(`${functionId} ${state}`) ?? { functionId, state, count: 0 }
    counts.set(`${functionId} ${state}`, { ...row, count: row.count + 1 })
  }
  return [...counts.values()]
}

function retire(state: State, runsBefore: Date, deadBefore: Date): number {
  let gone = 0
  for (const [eventId, { receivedAt }] of state.events) {
    const own = [...state.runs.values()].filter((run) => run.eventId === eventId)
    const kept = own.some(({ state: at, finishedAt }) => {
      if (finishedAt === null) return true
      return finishedAt > (at === 'dead' ? deadBefore : runsBefore)
    })
    if (kept || receivedAt > runsBefore) continue
    for (const run of own) state.runs.delete(run.id)
    for (const [name, id] of state.names) if (id === eventId) state.names.delete(name)
    state.events.delete(eventId)
    gone++
  }
  return gone
}
