import { createHash } from 'node:crypto'
import type { Pool, PoolClient } from 'pg'
import type { NewEvent } from '../store.ts'
import type { Order } from './order.ts'
import { query } from './pool.ts'
import { nameOf, payloadOf } from './rows.ts'

export type Db = Pool | PoolClient

/**
 * One statement for many events: those whose name is new are stored with their runs, the others are left out. Names
 * are sorted, so that two processes that store the same events wait for each other instead of dead-locking.
 */
const insertion = (columns: string, values: string, parameters: string): string => `
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
    insert into tappet.runs (id, event, function_id, trigger, idempotency_key, max_attempts, due_at${columns})
    select r.id, r.event, r.function_id, r.trigger, r.key, r.max_attempts, now() + r.delay_ms * interval '1 ms'${values}
      from unnest($9::text[], $10::text[], $11::text[], $12::int[], $13::bytea[], $14::int[], $15::float8[]${parameters}
      join new_events e on e.id = r.event
      order by r.function_id, r.key, r.place
    on conflict (function_id, idempotency_key) where idempotency_key is not null do nothing
    returning id, held, state
  )
  select array(select id from new_events) as events, array(select id from new_runs) as runs,
         array(select id from new_runs where held) as held, array(select id from new_runs where state = 'running') as running`

/** One that a worker keeps a place for is made as that worker's claim would leave it, and need not be touched twice. */
const INSERT = insertion(
  ', state, attempt, lease, worker, started_at',
  `, case when s.now then 'running' else 'accepted' end, s.now::int, s.now::int,
           case when s.now then r.worker end, case when s.now then now() end`,
  `, $17::text[])
        with ordinality as r(id, event, function_id, trigger, key, max_attempts, delay_ms, worker, place)
      cross join lateral (
        select r.worker is not null and r.delay_ms = 0
               and not exists (select from tappet.paused p where p.function_id = r.function_id)) as s(now)`,
)

/** For holders of the locks. The first of its key is the head, unless there is one already. */
const INSERT_IN_ORDER = insertion(
  ', ordering_key, place, held',
  `, r.ordering_key,
           (select nextval('tappet.run_places') << 20) + r.place,
           r.ordering_key is not null and (
             row_number() over (partition by r.function_id, r.ordering_key order by r.place) > 1
             or exists (select from tappet.runs h
                         where h.function_id = r.function_id and h.ordering_key = r.ordering_key
                           and h.ordering_key is not null and not h.held and h.finished_at is null))`,
  `, $17::bytea[])
        with ordinality as r(id, event, function_id, trigger, key, max_attempts, delay_ms, ordering_key, place)`,
)

/** Ids of what was stored: events and runs that were new. */
export interface Made {
  readonly events: ReadonlySet<string>
  readonly runs: ReadonlySet<string>
  readonly held: Set<string>
  /** Started already. */
  readonly running: ReadonlySet<string>
}

export function insert(db: Db, events: readonly NewEvent[]): Promise<Made> {
  const workers = events.flatMap(({ runs }) => runs.map(({ worker }) => worker ?? null))
  return store(db, 'accept', INSERT, [...insertValues(events), workers])
}

/** For holders of the locks. */
export function insertInOrder(db: Db, events: readonly NewEvent[]): Promise<Made> {
  const keys = events.flatMap(({ runs }) => runs.map(({ orderingKey }) => digest(orderingKey)))
  return store(db, 'accept-in-order', INSERT_IN_ORDER, [...insertValues(events), keys])
}

async function store(db: Db, name: string, text: string, values: unknown[]): Promise<Made> {
  const [made] = await query<Record<keyof Made, string[]>>(db, name, text, values)
  return {
    events: new Set(made?.events),
    runs: new Set(made?.runs),
    held: new Set(made?.held),
    running: new Set(made?.running),
  }
}

export function isOrdered({ runs }: NewEvent): boolean {
  return runs.some(({ orderingKey }) => orderingKey !== null)
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
    runs.map(({ run }) => digest(run.idempotencyKey)),
    runs.map(({ run }) => run.maxAttempts),
    runs.map(({ event }) => event.delayMs),
    events.map(({ cause }) => cause ?? null),
  ]
}

export function ordersOf({ runs }: NewEvent): Order[] {
  return runs.flatMap(({ functionId, orderingKey }) => {
    const own = digest(orderingKey)
    return own === null ? [] : [{ functionId, digest: own }]
  })
}

export function digest(key: string | null): Buffer | null {
  return key === null ? null : createHash('sha256').update(key).digest()
}
