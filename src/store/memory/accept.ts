import type { Job } from '../../queue/queue.ts'
import type { Acceptance, NewEvent, NewRun } from '../store.ts'
import { type MemoryRun, type State, toJob } from './state.ts'

export function accept(state: State, event: NewEvent): Acceptance {
  const names = [event.envelope.id, ...event.aliases].map((id) => JSON.stringify([event.envelope.source, id]))
  const first = names.flatMap((name) => state.names.get(name) ?? [])[0]
  if (first !== undefined) {
    const runIds = [...state.runs.values()].filter(({ eventId }) => eventId === first).map(({ id }) => id)
    return { eventId: first, runIds, duplicate: true, jobs: [] }
  }
  for (const name of names) state.names.set(name, event.id)
  state.events.set(event.id, { stored: event, receivedAt: state.now() })
  return addRuns(state, event)
}

function addRuns(state: State, event: NewEvent): Acceptance {
  const jobs: Job[] = []
  const runIds = event.runs.map((wanted) => {
    const same = findByKey(state, wanted)
    if (same) return same.id
    const run = makeRun(wanted, event, state.now())
    state.runs.set(run.id, run)
    jobs.push(toJob(run))
    return run.id
  })
  const duplicate = event.runs.length > 0 && jobs.length === 0
  return { eventId: event.id, runIds, duplicate, jobs: event.delayMs > 0 ? [] : jobs }
}

function findByKey(state: State, { functionId, idempotencyKey }: NewRun): MemoryRun | undefined {
  if (idempotencyKey === null) return undefined
  return [...state.runs.values()].find(
    (run) => run.functionId === functionId && run.idempotencyKey === idempotencyKey,
  )
}

function makeRun(wanted: NewRun, event: NewEvent, at: Date): MemoryRun {
  return {
    ...wanted,
    eventId: event.id,
    state: 'accepted',
    attempt: 0,
    lease: 0,
    losses: 0,
    worker: null,
    result: null,
    failure: null,
    delayed: event.delayMs > 0,
    dueAt: new Date(at.getTime() + event.delayMs),
    createdAt: at,
    queuedAt: null,
    startedAt: null,
    finishedAt: null,
  }
}
