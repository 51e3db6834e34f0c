import { createHash } from 'node:crypto'
import type { Pool, PoolClient } from 'pg'
import type { Job } from '../../queue/queue.ts'
import { query, transaction } from './pool.ts'
import { type JobRow, toJob } from './rows.ts'

/** The runs of one function with one ordering key. */
export interface Order {
  readonly functionId: string
  /** sha256 of the key. */
  readonly digest: Buffer
}

/** Who stops in mid-transaction must not hold up a key for ever. */
const BEGIN = `begin; set local idle_in_transaction_session_timeout = '5s'`

/**
 * Does `work` in a transaction that nobody else's on the same orders can overlap. Each later statement sees what the
 * one before had committed. The locks are taken in one order everywhere, so that batches never dead-lock.
 */
export function inOrder<T>(
  pool: Pool,
  orders: readonly Order[],
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const numbers = [...new Set(orders.map(lockNumber))].toSorted((a, b) => (a < b ? -1 : 1))
  // Numbers of ours, so they may stand in the text: begin and locks are one round trip.
  const lock = `select pg_advisory_xact_lock(n) from unnest('{${numbers.join()}}'::bigint[]) as n`
  return transaction(pool, work, numbers.length > 0 ? `${BEGIN}; ${lock}` : BEGIN)
}

/** For whoever holds row locks already and must not wait: false if somebody else holds one of the locks. */
export async function tryLock(client: PoolClient, orders: readonly Order[]): Promise<boolean> {
  const text = 'select bool_and(pg_try_advisory_xact_lock(n)) as taken from unnest($1::bigint[]) as n'
  const [row] = await query<{ taken: boolean }>(client, 'try-lock-orders', text, [orders.map(lockNumber)])
  return row?.taken === true
}

function lockNumber({ functionId, digest }: Order): bigint {
  return createHash('sha256').update(functionId).update('\u001f').update(digest).digest().readBigInt64BE()
}

const RELEASE = `
  update tappet.runs r set held = false, queued_at = case when r.state = 'queued' then now() end
    from (select distinct function_id, ordering_key from unnest($1::text[], $2::bytea[]) as k(function_id, ordering_key)) k
   cross join lateral (
     select n.id from tappet.runs n
      where n.function_id = k.function_id and n.ordering_key = k.ordering_key and n.held order by n.place limit 1) next
   where r.id = next.id and not exists (
     select from tappet.runs h
      where h.function_id = k.function_id and h.ordering_key = k.ordering_key and h.ordering_key is not null
        and not h.held and h.finished_at is null)
  returning r.id, r.function_id, r.lease, r.due_at <= now() as is_due`

/** Makes the next run of each order that has no head its head. For holders of the locks. */
export async function release(
  client: PoolClient,
  orders: readonly Order[],
): Promise<{ readonly released: readonly string[]; readonly jobs: readonly Job[] }> {
  if (orders.length === 0) return { released: [], jobs: [] }
  const rows = await query<JobRow & { is_due: boolean }>(client, 'release', RELEASE, [
    orders.map(({ functionId }) => functionId),
    orders.map(({ digest }) => digest),
  ])
  return { released: rows.map(({ id }) => id), jobs: rows.filter((row) => row.is_due).map(toJob) }
}

/** The order of a run, by its id; null if it has none. */
export async function orderOf(pool: Pool, runId: string): Promise<Order | null> {
  const text = 'select function_id, ordering_key from tappet.runs where id = $1 and ordering_key is not null'
  const [row] = await query<{ function_id: string; ordering_key: Buffer }>(pool, 'order-of', text, [runId])
  return row ? { functionId: row.function_id, digest: row.ordering_key } : null
}

/** From key to key by the index, however many runs each holds. */
const STUCK = `
  with recursive keys as (
    (select function_id, ordering_key from tappet.runs where held order by function_id, ordering_key limit 1)
    union all
    select n.function_id, n.ordering_key from keys k cross join lateral (
      select function_id, ordering_key from tappet.runs
       where held and (function_id, ordering_key) > (k.function_id, k.ordering_key)
       order by function_id, ordering_key limit 1) n
  )
  select function_id, ordering_key from keys k
   where not exists (
     select from tappet.runs h
      where h.function_id = k.function_id and h.ordering_key = k.ordering_key and h.ordering_key is not null
        and not h.held and h.finished_at is null)
   limit 100`

/**
 * Lets go on where runs are held behind none: whoever ended the last one did not know of order, such as a process of an
 * older version, or a person in SQL.
 */
export async function releaseStuck(pool: Pool): Promise<readonly Job[]> {
  const rows = await query<{ function_id: string; ordering_key: Buffer }>(pool, 'stuck-orders', STUCK)
  if (rows.length === 0) return []
  const orders = rows.map(({ function_id: functionId, ordering_key: digest }) => ({ functionId, digest }))
  return inOrder(pool, orders, async (client) => (await release(client, orders)).jobs)
}
