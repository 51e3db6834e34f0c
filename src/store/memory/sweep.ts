import type { Job } from '../../queue/queue.ts'
import { CANCELLED } from '../run-end.ts'
import { isFinal } from '../run-state.ts'
import type { Store } from '../store.ts'
import {
  ago,
  allRuns,
  headOf,
  type MemoryRun,
  move,
  putBack,
  record,
  releaseNext,
  type State,
  toJob,
} from './state.ts'

type SweepMethods = Pick<
  Store,
  | 'markQueued'
  | 'due'
  | 'nextDueMs'
  | 'queued'
  | 'reclaim'
  | 'replay'
  | 'cancel'
  | 'pause'
  | 'resume'
  | 'paused'
  | 'retire'
>

export function sweepMethods(state: State): SweepMethods {
  const { now } = state
  return {
    async markQueued(jobs) {
      for (const { runId, lease } of jobs) {
        const run = state.runs.get(runId)
        if (run?.lease === lease && isBefore(run)) move(run, 'queued', { queuedAt: now() })
      }
    },
    due: async (limit) =>
      allRuns(state)
        .filter((run) => isDue(run, now(), ago(state, 1_000)) && !state.paused.has(run.functionId))
        .toSorted((a, b) => a.dueAt.getTime() - b.dueAt.getTime())
        .slice(0, limit)
        .map(toJob),
    async nextDueMs() {
      const times = allRuns(state)
        .filter((run) => isBefore(run) && !run.held && run.dueAt > now())
        .map(({ dueAt }) => dueAt.getTime() - now().getTime())
      return times.length > 0 ? Math.min(...times) : null
    },
    queued: async (after, olderThanMs, limit) =>
      allRuns(state)
        .filter((run) => run.state === 'queued' && !run.held && run.id > after)
        .filter((run) => !state.paused.has(run.functionId))
        .filter((run) => (run.queuedAt ?? now()) <= ago(state, olderThanMs))
        .slice(0, limit)
        .map(toJob),
    async reclaim(silentMs, maxLosses) {
      const lost = allRuns(state).filter(({ state: at, worker }) => {
        if (at !== 'running' || worker === null) return false
        const beat = state.heartbeats.get(worker) ?? new Date(0)
        return beat < ago(state, silentMs) || beat > ago(state, -Math.max(silentMs, 0))
      })
      return lost.flatMap((run) => reclaimOne(state, run, maxLosses) ?? [])
    },
    replay: async (runId) => replay(state, runId),
    async cancel(runId) {
      const run = state.runs.get(runId)
      if (!run || isFinal(run.state)) return false
      if (run.state === 'running') record(state, run, 'cancelled', {})
      move(run, 'cancelled', { finishedAt: now(), worker: null, held: false })
      releaseNext(state, run)
      state.finished.emit('run', runId, CANCELLED)
      return true
    },
    async pause(functionId, pausedBy) {
      if (!state.paused.has(functionId))
        state.paused.set(functionId, { functionId, pausedAt: now(), pausedBy })
    },
    async resume(functionId) {
      state.paused.delete(functionId)
      const waiting = allRuns(state).filter((run) => run.state === 'queued' && run.functionId === functionId)
      return waiting.slice(0, 500).map(toJob)
    },
    paused: async () => [...state.paused.values()].toSorted((a, b) => (a.functionId < b.functionId ? -1 : 1)),
    retire: async ({ runsMs, deadMs }) => retire(state, ago(state, runsMs), ago(state, deadMs)),
  }
}

function isBefore({ state }: MemoryRun): boolean {
  return state === 'accepted' || state === 'retrying'
}

function isDue(run: MemoryRun, now: Date, graceEnd: Date): boolean {
  if (!isBefore(run) || run.held || run.dueAt > now) return false
  return run.state === 'retrying' || run.delayed || run.createdAt < graceEnd
}

function reclaimOne(state: State, run: MemoryRun, maxLosses: number): Job | null {
  if (run.losses + 1 < maxLosses) {
    run.losses++
    return putBack(state, run)
  }
  record(state, run, 'lost', {})
  const message = `its worker was lost ${maxLosses} times while this run was on it`
  const code = 'TPT_RUN_LOST_TOO_OFTEN'
  const failure = { name: 'TappetError', message, stack: null, code, retryable: false, retryAfterMs: null }
  const at = { finishedAt: state.now(), worker: null }
  move(run, 'dead', { ...at, attempt: run.attempt - 1, losses: run.losses + 1, failure })
  releaseNext(state, run)
  return null
}

function replay(state: State, runId: string): readonly Job[] | null {
  const run = state.runs.get(runId)
  if (run?.state !== 'dead' && run?.state !== 'cancelled') return null
  const at = state.now()
  const order = { held: headOf(state, run) !== undefined, place: ++state.lastPlace.value }
  move(run, 'queued', {
    ...order,
    attempt: 0,
    losses: 0,
    crashes: 0,
    dueAt: at,
    queuedAt: at,
    finishedAt: null,
    failure: null,
  })
  return run.held ? [] : [toJob(run)]
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
    for (const names of [state.names, state.aliases])
      for (const [name, id] of names) if (id === eventId) names.delete(name)
    state.events.delete(eventId)
    gone++
  }
  return gone
}
