import type { Job } from '../../queue/queue.ts'
import { firstClaim } from '../first-claim.ts'
import type { Acceptance, Claim, NewEvent, NewRun } from '../store.ts'
import { headOf, type MemoryRun, type State, toJob } from './state.ts'

export function accept(state: State, event: NewEvent): Acceptance {
  const { source, id } = event.envelope
  const [name = '', ...aliases] = [id, ...event.aliases].map((text) => JSON.stringify([source, text]))
  const first = aliases.flatMap((alias) => state.aliases.get(alias) ?? [])[0] ?? state.names.get(name)
  for (const alias of aliases) if (!state.aliases.has(alias)) state.aliases.set(alias, first ?? event.id)
  if (first !== undefined) return toDuplicate(state, event, first)
  state.names.set(name, event.id)
  state.events.set(event.id, { stored: event, receivedAt: state.now() })
  return addRuns(state, event)
}

/** Answers as the first delivery was answered: with its own runs, and those that it shared by their key. */
function toDuplicate(state: State, event: NewEvent, eventId: string): Acceptance {
  const left = [...state.runs.values()].filter((run) => run.eventId === eventId)
  const wanted = event.runs.flatMap((run) => {
    const own = left.findIndex(({ functionId }) => functionId === run.functionId)
    return (own < 0 ? findByKey(state, run) : left.splice(own, 1)[0])?.id ?? []
  })
  return { eventId, runIds: [...wanted, ...left.map(({ id }) => id)], duplicate: true, jobs: [], claims: [] }
}

function addRuns(state: State, event: NewEvent): Acceptance {
  const jobs: Job[] = []
  const claims: Claim[] = []
  let made = 0
  const runIds = event.runs.map((wanted) => {
    const same = findByKey(state, wanted)
    if (same) return same.id
    const run = makeRun(wanted, event, state)
    state.runs.set(run.id, run)
    if (run.state === 'running') claims.push(firstClaim(wanted, event.envelope))
    else if (!run.held) jobs.push(toJob(run))
    made++
    return run.id
  })
  const duplicate = event.runs.length > 0 && made === 0
  return { eventId: event.id, runIds, duplicate, jobs: event.delayMs > 0 ? [] : jobs, claims }
}

function findByKey(state: State, { functionId, idempotencyKey }: NewRun): MemoryRun | undefined {
  if (idempotencyKey === null) return undefined
  return [...state.runs.values()].find(
    (run) => run.functionId === functionId && run.idempotencyKey === idempotencyKey,
  )
}

function makeRun(wanted: NewRun, event: NewEvent, state: State): MemoryRun {
  const at = state.now()
  const { worker = null, ...run } = wanted
  const starts =
    worker !== null &&
    event.delayMs === 0 &&
    wanted.orderingKey === null &&
    !state.paused.has(wanted.functionId)
  return {
    ...run,
    eventId: event.id,
    state: starts ? 'running' : 'accepted',
    attempt: Number(starts),
    lease: Number(starts),
    losses: 0,
    crashes: 0,
    worker: starts ? worker : null,
    held: headOf(state, wanted) !== undefined,
    place: ++state.lastPlace.value,
    result: null,
    failure: null,
    delayed: event.delayMs > 0,
    dueAt: new Date(at.getTime() + event.delayMs),
    createdAt: at,
    queuedAt: null,
    startedAt: starts ? at : null,
    finishedAt: null,
  }
}
