import type { Pool, PoolClient } from 'pg'
import { newId } from '../../lib/id.ts'
import { firstClaim } from '../first-claim.ts'
import type { Acceptance, NewEvent } from '../store.ts'
import { type Db, digest, insert, insertInOrder, isOrdered, type Made, ordersOf } from './insert.ts'
import { inOrder, release } from './order.ts'
import { query } from './pool.ts'
import { nameOf } from './rows.ts'

const FIRST_DELIVERY = `
  select e.name, e.id as event, r.id as run, r.function_id
    from tappet.events e left join tappet.runs r on r.event = e.id
   where e.name = any($1::bytea[]) order by r.id`

const RUNS_OF_EVENT = 'select id, function_id from tappet.runs where event = $1 order by id'

const SAME_KEY = `
  select r.id, r.function_id, r.idempotency_key as key
    from tappet.runs r join unnest($1::text[], $2::bytea[]) as k(function_id, key)
      on r.function_id = k.function_id and r.idempotency_key = k.key`

/** Stores events; answers each in the order given. Events with aliases go through {@link acceptNamed} instead. */
export async function acceptAll(db: Db, events: readonly NewEvent[]): Promise<Acceptance[]> {
  const made = await insert(db, events)
  return answer(db, events, made)
}

/** The same for events of which some have runs with an ordering key. */
export function acceptInOrder(pool: Pool, events: readonly NewEvent[]): Promise<Acceptance[]> {
  return inOrder(pool, events.flatMap(ordersOf), (client) => acceptLocked(client, events))
}

/** Stores an event that goes by more than one name, or finds it by any of them. */
export function acceptNamed(pool: Pool, event: NewEvent): Promise<Acceptance> {
  return inOrder(pool, ordersOf(event), (client) => acceptWithAliases(client, event))
}

async function acceptLocked(client: PoolClient, events: readonly NewEvent[]): Promise<Acceptance[]> {
  if (!events.some(isOrdered)) return acceptAll(client, events)
  const made = await insertInOrder(client, events)
  // One that was to be the head may not have been made, because its idempotency key was taken.
  const left = events.filter(
    ({ id, runs }) => made.events.has(id) && runs.some((run) => !made.runs.has(run.id)),
  )
  if (left.length > 0)
    for (const id of (await release(client, events.flatMap(ordersOf))).released) made.held.delete(id)
  return answer(client, events, made)
}

async function answer(db: Db, events: readonly NewEvent[], made: Made): Promise<Acceptance[]> {
  const known = await firstDeliveries(
    db,
    events.filter(({ id }) => !made.events.has(id)),
  )
  const shared = await sameKeys(db, events, made.runs)
  return events.map((event) => {
    const first = known.get(event.id)
    if (first) return toDuplicate(event, first, shared)
    const runs = event.runs.map((run) => shared.get(run.id) ?? run.id)
    const ready = event.runs.filter(({ id }) => made.runs.has(id) && !made.held.has(id))
    const waiting = ready.filter(({ id }) => !made.running.has(id))
    return {
      eventId: event.id,
      runIds: runs,
      duplicate: event.runs.length > 0 && event.runs.every(({ id }) => !made.runs.has(id)),
      jobs:
        event.delayMs > 0 ? [] : waiting.map(({ id, functionId }) => ({ runId: id, functionId, lease: 0 })),
      claims: ready.filter(({ id }) => made.running.has(id)).map((run) => firstClaim(run, event.envelope)),
    }
  })
}

async function acceptWithAliases(client: PoolClient, event: NewEvent): Promise<Acceptance> {
  const names = event.aliases.map((alias) => nameOf(event.envelope.source, alias)).toSorted(Buffer.compare)
  await client.query(
    'insert into tappet.event_aliases (name, event) select unnest($1::bytea[]), $2 on conflict do nothing',
    [names, event.id],
  )
  const { rows } = await client.query<{ event: string }>(
    'select event from tappet.event_aliases where name = any($1::bytea[]) and event <> $2 limit 1',
    [names, event.id],
  )
  const [first] = rows
  const acceptance = first
    ? await acceptKnown(client, event, first.event)
    : ((await acceptLocked(client, [event]))[0] as Acceptance)
  // Names that only this delivery has are names of the first one from now on.
  if (acceptance.eventId !== event.id)
    await client.query('update tappet.event_aliases set event = $1 where event = $2', [
      acceptance.eventId,
      event.id,
    ])
  return acceptance
}

async function acceptKnown(client: PoolClient, event: NewEvent, eventId: string): Promise<Acceptance> {
  const runs = await query<FirstRun>(client, 'runs-of-event', RUNS_OF_EVENT, [eventId])
  return toDuplicate(event, { eventId, runs }, await sameKeys(client, [event], new Set()))
}

interface FirstRun {
  readonly id: string
  readonly function_id: string
}

/** An event without runs of its own is one row without a run. */
type FirstRow = { readonly name: Buffer; readonly event: string } & (
  | { readonly run: string; readonly function_id: string }
  | { readonly run: null; readonly function_id: null }
)

interface FirstDelivery {
  readonly eventId: string
  readonly runs: readonly FirstRun[]
}

/** Answers as the first delivery was answered: with its own runs, and those that it shared by their key. */
function toDuplicate(
  event: NewEvent,
  { eventId, runs }: FirstDelivery,
  shared: ReadonlyMap<string, string>,
): Acceptance {
  const left = [...runs]
  const wanted = event.runs.flatMap(({ id, functionId }) => {
    const own = left.findIndex((run) => run.function_id === functionId)
    return (own < 0 ? shared.get(id) : left.splice(own, 1)[0]?.id) ?? []
  })
  return { eventId, runIds: [...wanted, ...left.map(({ id }) => id)], duplicate: true, jobs: [], claims: [] }
}

async function firstDeliveries(db: Db, events: readonly NewEvent[]): Promise<Map<string, FirstDelivery>> {
  const found = new Map<string, FirstDelivery>()
  if (events.length === 0) return found
  const names = events.map(({ envelope }) => nameOf(envelope.source, envelope.id))
  const rows = await query<FirstRow>(db, 'first-delivery', FIRST_DELIVERY, [names])
  events.forEach(({ id }, i) => {
    const own = rows.filter(({ name }) => names[i]?.equals(name))
    // The first delivery may have been retired between the two statements: it was a duplicate all the same.
    found.set(id, {
      eventId: own[0]?.event ?? newId('evt'),
      runs: own.flatMap(({ run, function_id }) => (run === null ? [] : [{ id: run, function_id }])),
    })
  })
  return found
}

/** For runs that were not made because their key was taken: the run that has it. */
async function sameKeys(
  db: Db,
  events: readonly NewEvent[],
  newRuns: ReadonlySet<string>,
): Promise<Map<string, string>> {
  const left = events.flatMap(({ runs }) =>
    runs.filter(({ id, idempotencyKey }) => idempotencyKey !== null && !newRuns.has(id)),
  )
  if (left.length === 0) return new Map()
  const keys = left.map(({ idempotencyKey }) => digest(idempotencyKey))
  const rows = await query<{ id: string; function_id: string; key: Buffer }>(db, 'same-key', SAME_KEY, [
    left.map(({ functionId }) => functionId),
    keys,
  ])
  return new Map(
    left.flatMap((run, i) => {
      const same = rows.find((row) => row.function_id === run.functionId && keys[i]?.equals(row.key))
      return same ? [[run.id, same.id] as const] : []
    }),
  )
}
