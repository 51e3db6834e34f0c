import type { Pool, PoolClient } from 'pg'
import type { Job } from '../../queue/queue.ts'
import { inOrder, type Order, orderOf, release } from './order.ts'
import { query } from './pool.ts'
import { type JobRow, toJob } from './rows.ts'

const AGAIN = `state = 'queued', attempt = 0, losses = 0, crashes = 0, due_at = now(), queued_at = now(), finished_at = null, failure = null,
    fingerprint = null`

const REPLAY = `
  update tappet.runs set ${AGAIN}
   where id = $1 and state in ('dead', 'cancelled') and ordering_key is null returning id, function_id, lease, held`

/** Behind all that are there: others of its key may have gone by since it ended. */
const REPLAY_IN_ORDER = `
  update tappet.runs r set ${AGAIN}, place = nextval('tappet.run_places') << 20, held = exists (
         select from tappet.runs h
          where h.function_id = r.function_id and h.ordering_key = r.ordering_key and h.ordering_key is not null
            and not h.held and h.finished_at is null)
   where id = $1 and state in ('dead', 'cancelled') returning id, function_id, lease, held`

/** What may start now; null if the run is neither dead nor cancelled. */
export async function replay(pool: Pool, runId: string): Promise<Job[] | null> {
  const order = await orderOf(pool, runId)
  const run = (db: Pool | PoolClient, name: string, text: string): Promise<(JobRow & { held: boolean })[]> =>
    query(db, name, text, [runId])
  const [row] = order
    ? await inOrder(pool, [order], (client) => run(client, 'replay-in-order', REPLAY_IN_ORDER))
    : await run(pool, 'replay', REPLAY)
  if (!row) return null
  return row.held ? [] : [toJob(row)]
}

const CANCEL = `
  with open as (
    select id, lease, attempt, worker, started_at, state from tappet.runs
     where id = $1 and state in ('accepted', 'queued', 'running', 'retrying') for update
  ), ended as (
    update tappet.runs r set state = 'cancelled', finished_at = now(), worker = null, held = false
      from open o where o.id = r.id
  ), recorded as (
    insert into tappet.attempts (run, lease, number, outcome, worker, started_at)
    select id, lease, attempt, 'cancelled', worker, started_at from open where state = 'running'
  )
  select id from open`

/** Null if the run is over; else the runs that may start because of it. */
export async function cancel(pool: Pool, runId: string): Promise<readonly Job[] | null> {
  const run = async (db: Pool | PoolClient): Promise<boolean> =>
    (await query(db, 'cancel', CANCEL, [runId])).length > 0
  const order = await orderOf(pool, runId)
  if (!order) return (await run(pool)) ? [] : null
  return inOrder(pool, [order], async (client) => ((await run(client)) ? next(client, order) : null))
}

async function next(client: PoolClient, order: Order): Promise<readonly Job[]> {
  return (await release(client, [order])).jobs
}
