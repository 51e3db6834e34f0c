import type { Job } from '../../queue/queue.ts'
import { isCrash, isFinal, mayMove } from '../run-state.ts'
import { endOf } from '../run-end.ts'
import type { Claim, Outcome, Store } from '../store.ts'
import { ago, allRuns, type MemoryRun, move, putBack, record, releaseNext, type State } from './state.ts'

type LeaseMethods = Pick<
  Store,
  'claim' | 'finish' | 'heartbeat' | 'neighbours' | 'forget' | 'disown' | 'leave'
>

export function leaseMethods(state: State): LeaseMethods {
  const runningOn = (workerId: string): MemoryRun[] =>
    allRuns(state).filter((run) => run.state === 'running' && run.worker === workerId)

  return {
    claim: async (job, workerId) => claim(state, job, workerId),
    async finish({ runId, lease, outcome, version, meter = null }) {
      const run = state.runs.get(runId)
      if (run?.lease !== lease || run.state !== 'running') return false
      const failure = 'failure' in outcome ? outcome.failure : null
      record(state, run, outcome.kind, { version, failure, meter })
      end(run, outcome, state.now())
      if (isFinal(run.state)) {
        releaseNext(state, run)
        state.finished.emit('run', runId, endOf(outcome))
      }
      return true
    },
    async heartbeat(worker, held) {
      state.heartbeats.set(worker.id, state.now())
      state.workers.set(worker.id, worker)
      return held.filter(({ runId, lease }) => {
        const run = state.runs.get(runId)
        return run?.state !== 'running' || run.lease !== lease || run.worker !== worker.id
      })
    },
    neighbours: async (machine, silentMs) =>
      [...state.workers.values()].flatMap(({ id, pid, machine: other, birth }) => {
        const beat = state.heartbeats.get(id)
        const silent = beat !== undefined && beat < ago(state, silentMs)
        return silent && other === machine && birth != null ? [{ id, pid, birth }] : []
      }),
    async forget(workerIds) {
      for (const id of workerIds) {
        state.heartbeats.delete(id)
        state.workers.delete(id)
      }
    },
    async disown(workerId, held) {
      const known = new Set(held.map(({ runId, lease }) => `${runId}-${lease}`))
      const lost = runningOn(workerId).filter(
        (run) => !known.has(`${run.id}-${run.lease}`) && (run.startedAt ?? state.now()) < ago(state, 5_000),
      )
      return lost.map((run) => putBack(state, run))
    },
    async leave(workerId) {
      state.heartbeats.delete(workerId)
      state.workers.delete(workerId)
      return runningOn(workerId).map((run) => putBack(state, run))
    },
  }
}

function claim(state: State, job: Job, workerId: string): Claim | null {
  const run = state.runs.get(job.runId)
  const at = state.now()
  if (!run || run.lease !== job.lease || !mayMove(run.state, 'running')) return null
  if (run.held || run.dueAt > at || state.paused.has(run.functionId)) return null
  const event = state.events.get(run.eventId)
  if (!event) return null
  move(run, 'running', { attempt: run.attempt + 1, lease: run.lease + 1, worker: workerId, startedAt: at })
  const { id: runId, functionId, lease, attempt, maxAttempts, trigger, losses, crashes, orderingKey } = run
  const order = orderingKey === null ? null : Buffer.from(orderingKey).toString('hex')
  const { envelope } = event.stored
  return { runId, functionId, lease, attempt, maxAttempts, trigger, losses, crashes, order, event: envelope }
}

function end(run: MemoryRun, outcome: Outcome, at: Date): void {
  const failure = 'failure' in outcome ? outcome.failure : null
  const common = { worker: null, failure, dueAt: at, crashes: run.crashes + Number(isCrash(outcome)) }
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
