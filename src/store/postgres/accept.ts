import { createHash } from 'node:crypto'
import type { Pool, PoolClient } from 'pg'
import { newId } from '../../lib/id.ts'
import type { Acceptance, NewEvent, NewRun } from '../store.ts'
import { query, toStoreError } from './pool.ts'
import { nameOf, payloadOf } from './rows.ts'

/**
 * One statement for many events: those whose name is new are stored with their runs, the others are left out. Names
 * are sorted, so that two processes that store the same events wait for each other instead of dead-locking.
 */
const INSERT = `
  with new_events as (
    insert into tappet.events (id, name, source, event_id, type, subject, time, payload, cause)
    select id, name, source, event_id, type, subject, time, payload::json, cause
      from unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                  $16::text[])
        as e(id, name, source, event_id, type, subject, time, payload, cause)
      order by name
    on conflict (name) do nothing
    returning id
  ), new_runs as (
    insert into tappet.runs (id, event, function_id, trigger, idempotency_key, max_attempts, due_at)
    select r.id, r.event, r.function_id, r.trigger, r.key, r.max_attempts, now() + r.delay_ms * interval '1 ms'
      from unnest($9::text[], $10::text[], $11::text[], $12::int[], $13::bytea[], $14::int[], $15::float8[])
        with ordinality as r(id, event, function_id, trigger, key, max_attempts, delay_ms, place)
      join new_events e on e.id = r.event
      order by r.function_id, r.key, r.place
    on conflict (function_id, idempotency_key) where idempotency_key is not null do nothing
    returning id
  )
  select array(select id from new_events) as events, array(select id from new_runs) as runs`

const FIRST_DELIVERY = `
  select e.name, e.id as event, r.id as run, r.function_id
    from tappet.events e left join tappet.runs r on r.event = e.id
   where e.name = any($1::bytea[]) order by r.id`

const RUNS_OF_EVENT = 'select id, function_id from tappet.runs where event = $1 order by id'

const SAME_KEY = `
  select r.id, r.function_id, r.idempotency_key as key
    from tappet.runs r join unnest($1::text[], $2::bytea[]) as k(function_id, key)
      on r.function_id = k.function_id and r.idempotency_key = k.key`

type Db = Pool | PoolClient

/** Stores events; answers each in the order given. Events with aliases go through {@link acceptNamed} instead. */
export async function acceptAll(db: Db, events: readonly NewEvent[]): Promise<Acceptance[]> {
  const [made] = await query<{ events: string[]; runs: string[] }>(db, 'accept', INSERT, insertValues(events))
  const newEvents = new Set(made?.events)
  const newRuns = new Set(made?.runs)
  const known = await firstDeliveries(
    db,
    events.filter(({ id }) => !newEvents.has(id)),
  )
  const shared = await sameKeys(db, events, newRuns)
  return events.map((event) => {
    const first = known.get(event.id)
    if (first) return toDuplicate(event, first, shared)
    const runs = event.runs.map((run) => shared.get(run.id) ?? run.id)
    const jobs = event.delayMs > 0 ? [] : event.runs.filter(({ id }) => newRuns.has(id))
    return {
      eventId: event.id,
      runIds: runs,
      duplicate: event.runs.length > 0 && event.runs.every(({ id }) => !newRuns.has(id)),
      jobs: jobs.map(({ id, functionId }) => ({ runId: id, functionId, lease: 0 })),
    }
  })
}

/** Stores an event that goes by more than one name, or finds it by any of them. */
export async function acceptNamed(pool: Pool, event: NewEvent): Promise<Acceptance> {
  const client = await pool.connect().catch((error: unknown) => {
    throw toStoreError(error)
  })
  let broken: unknown
  try {
    await client.query('begin')
    const acceptance = await acceptWithAliases(client, event)
    await client.query('commit')
    return acceptance
  } catch (error) {
    broken = error
    await client.query('rollback').catch(() => undefined)
    throw toStoreError(error)
  } finally {
    client.release(broken instanceof Error)
  }
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
    : ((await acceptAll(client, [event]))[0] as Acceptance)
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

function insertValues(events: readonly NewEvent[]): unknown[] {
  const runs = events.flatMap((event) => event.runs.map((run) => ({ event, run })))
  return [
    events.map(({ id }) => id),
    events.map(({ envelope }) => nameOf(envelope.source, envelope.id)),
    events.map(({ envelope }) => envelope.source),
    events.map(({ envelope }) => envelope.id),
    events.map(({ envelope }) => envelope.type),
    events.map(({ envelope }) => envelope.subject ?? null),
    events.map(({ envelope }) => envelope.time),
    events.map(({ envelope }) => payloadOf(envelope)),
    runs.map(({ run }) => run.id),
    runs.map(({ event }) => event.id),
    runs.map(({ run }) => run.functionId),
    runs.map(({ run }) => run.trigger),
    runs.map(({ run }) => digest(run)),
    runs.map(({ run }) => run.maxAttempts),
    runs.map(({ event }) => event.delayMs),
    events.map(({ cause }) => cause ?? null),
  ]
}

function digest({ idempotencyKey }: NewRun): Buffer | null {
  return idempotencyKey === null ? null : createHash('sha256').update(idempotencyKey).digest()
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
  return { eventId, runIds: [...wanted, ...left.map(({ id }) => id)], duplicate: true, jobs: [] }
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
  const keys = left.map(digest)
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
