import type { RunState } from '../run-state.ts'
import type { Run, Store } from '../store.ts'
import { accept } from './accept.ts'
import { leaseMethods } from './lease.ts'
import { allRuns, createState, type MemoryRun, type State } from './state.ts'
import { sweepMethods } from './sweep.ts'
import { usageMethods } from './usage.ts'

/** The ledger in memory: held to the same conformance suite as Postgres, gone with the process. For tests. */
export function createMemoryStore(now: () => Date = () => new Date()): Store {
  const state = createState(now)
  return {
    accept: async (event) => accept(state, structuredClone(event)),
    ...leaseMethods(state),
    ...sweepMethods(state),
    ...readMethods(state),
    ...usageMethods(state),
    async appendLogs(lines) {
      state.logs.push(...lines)
    },
    onFinished(listener) {
      state.finished.on('run', listener)
      return () => state.finished.off('run', listener)
    },
    onReleased(listener) {
      state.finished.on('released', listener)
      return () => state.finished.off('released', listener)
    },
    async ping() {
      const databaseMs = now().getTime()
      return { ms: 0, databaseMs, clockOffsetMs: databaseMs - Date.now() }
    },
    close: async () => undefined,
  }
}

function readMethods(state: State): Pick<Store, 'run' | 'runs' | 'event' | 'attempts' | 'logs' | 'stats'> {
  return {
    async run(runId) {
      const found = state.runs.get(runId)
      return found ? shown(found) : null
    },
    runs: async ({ state: wanted, functionId, before, limit = 50 }) =>
      allRuns(state)
        .toReversed()
        .filter((run) => wanted === undefined || run.state === wanted)
        .filter((run) => functionId === undefined || run.functionId === functionId)
        .filter((run) => before === undefined || run.id < before)
        .slice(0, Math.min(limit, 500))
        .map(shown),
    async event(eventId) {
      const found = state.events.get(eventId)
      return found ? { envelope: found.stored.envelope, receivedAt: found.receivedAt } : null
    },
    attempts: async (runId) => state.attempts.get(runId) ?? [],
    logs: async (runId) => state.logs.filter((line) => line.runId === runId),
    stats: async () => stats(allRuns(state)),
  }
}

/** A copy, without what only the ledger knows. */
function shown(run: MemoryRun): Run {
  const {
    idempotencyKey: _1,
    orderingKey: _2,
    place: _3,
    queuedAt: _4,
    delayed: _5,
    crashes: _6,
    ...rest
  } = run
  return structuredClone(rest)
}

function stats(runs: readonly MemoryRun[]): { functionId: string; state: RunState; count: number }[] {
  const counts = new Map<string, { functionId: string; state: RunState; count: number }>()
  for (const { functionId, state } of runs) {
    const row = counts.get(`${functionId} ${state}`) ?? { functionId, state, count: 0 }
    counts.set(`${functionId} ${state}`, { ...row, count: row.count + 1 })
  }
  return [...counts.values()]
}
