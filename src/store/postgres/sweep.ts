import type { Pool } from 'pg'
import type { Job } from '../../queue/queue.ts'
import type { Retention } from '../store.ts'
import { release, tryLock } from './order.ts'
import { query, transaction } from './pool.ts'
import { type JobRow, toJob } from './rows.ts'

/** Only runs that have not started since: the worker is usually faster than this statement. */
const MARK_QUEUED = `
  with marked as (
    select r.id from tappet.runs r join unnest($1::text[], $2::int[]) as j(id, lease) on j.id = r.id and j.lease = r.lease
     where r.state in ('accepted', 'retrying') order by r.id for update of r
  )
  update tappet.runs r set state = 'queued', queued_at = now() from marked m where m.id = r.id`

export async function markQueued(pool: Pool, jobs: readonly Job[]): Promise<void> {
  if (jobs.length === 0) return
  await query(pool, 'mark-queued', MARK_QUEUED, [
    jobs.map(({ runId }) => runId),
    jobs.map(({ lease }) => lease),
  ])
}

/** A run that was accepted just now is about to be queued by the one who accepted it. */
const DUE = `
  select id, function_id, lease from tappet.runs
   where state in ('accepted', 'retrying') and not held and due_at <= now()
     and (state = 'retrying' or due_at > created_at or created_at < now() - interval '1 s')
     and function_id not in (select function_id from tappet.paused)
   order by due_at limit $1`

export async function due(pool: Pool, limit: number): Promise<Job[]> {
  return (await query<JobRow>(pool, 'due', DUE, [limit])).map(toJob)
}

const NEXT_DUE = `
  select extract(epoch from min(due_at) - now()) * 1000 as ms from tappet.runs
   where state in ('accepted', 'retrying') and not held and due_at > now()`

export async function nextDueMs(pool: Pool): Promise<number | null> {
  const [row] = await query<{ ms: string | null }>(pool, 'next-due', NEXT_DUE)
  return row?.ms === null || row === undefined ? null : Math.max(0, Number(row.ms))
}

const QUEUED = `
  select id, function_id, lease from tappet.runs
   where state = 'queued' and not held and id > $1
     and (queued_at <= now() - $2 * interval '1 ms' or queued_at > now() + interval '1 min')
     and function_id not in (select function_id from tappet.paused) order by id limit $3`

export async function queued(pool: Pool, after: string, olderThanMs: number, limit: number): Promise<Job[]> {
  return (await query<JobRow>(pool, 'queued', QUEUED, [after, olderThanMs, limit])).map(toJob)
}

/** A heart that beats in the future beat before the clock was set back: a living one has beaten again since. */
const RECLAIM = `
  with lost as (
    select r.id, r.lease, r.attempt, r.started_at, r.worker, r.losses + 1 >= $2 as hopeless
      from tappet.runs r left join tappet.workers w on w.id = r.worker
     where r.state = 'running' and (w.id is null or w.heartbeat_at < now() - $1 * interval '1 ms'
            or w.heartbeat_at > now() + greatest($1, 0) * interval '1 ms')
     order by r.id limit 1000 for update of r skip locked
  ), back as (
    update tappet.runs r
       set state = case when l.hopeless then 'dead' else 'queued' end, attempt = r.attempt - 1, losses = r.losses + 1,
           worker = null, due_at = now(), queued_at = now(), finished_at = case when l.hopeless then now() end,
           failure = case when l.hopeless then json_build_object('name', 'TappetError', 'message',
             'its worker was lost ' || $2::text || ' times while this run was on it', 'stack', null,
             'code', 'TPT_RUN_LOST_TOO_OFTEN', 'retryable', false, 'retryAfterMs', null) end
      from lost l where l.id = r.id
    returning r.id, r.function_id, r.lease, r.state, r.ordering_key
  ), recorded as (
    insert into tappet.attempts (run, lease, number, outcome, worker, started_at)
    select id, lease, attempt, 'lost', worker, started_at from lost
  )
  select id, function_id, lease, state, ordering_key from back`

const FORGET_WORKERS = `delete from tappet.workers where heartbeat_at < now() - interval '1 h'`

export interface Reclaimed {
  /** Runs that are back. */
  readonly jobs: readonly Job[]
  /** Runs that may start because one that they were held behind is dead. */
  readonly released: readonly Job[]
}

export async function reclaim(pool: Pool, silentMs: number, maxLosses: number): Promise<Reclaimed> {
  const nothing = { jobs: [], released: [] }
  return transaction(pool, async (client) => {
    const rows = await query<ReclaimRow>(client, 'reclaim', RECLAIM, [silentMs, maxLosses])
    if (rows.length > 0) await query(client, 'forget-workers', FORGET_WORKERS)
    const orders = rows.flatMap(({ state, function_id: functionId, ordering_key: digest }) =>
      state === 'dead' && digest ? [{ functionId, digest }] : [],
    )
    // Somebody who has the lock may be waiting for these rows: the next sweep takes them.
    if (orders.length > 0 && !(await tryLock(client, orders))) throw new Busy()
    const { jobs: released } = await release(client, orders)
    return { jobs: rows.filter(({ state }) => state === 'queued').map(toJob), released }
  }).catch((error: unknown) => {
    if (error instanceof Busy) return nothing
    throw error
  })
}

interface ReclaimRow extends JobRow {
  readonly state: 'queued' | 'dead'
  readonly ordering_key: Buffer | null
}

class Busy extends Error {}

const RETIRE = `
  with old as (
    select e.id from tappet.events e
     where e.received_at < now() - $1 * interval '1 ms'
       and not exists (
         select from tappet.runs r where r.event = e.id and (
           r.finished_at is null or r.finished_at > now() - $1 * interval '1 ms'
           or (r.state = 'dead' and r.finished_at > now() - $2 * interval '1 ms')))
     order by e.received_at limit 1000
  ), old_runs as (
    delete from tappet.runs where event in (select id from old) returning id
  ), old_attempts as (
    delete from tappet.attempts where run in (select id from old_runs)
  ), old_logs as (
    delete from tappet.logs where run in (select id from old_runs)
  ), old_aliases as (
    delete from tappet.event_aliases where received_at < now() - $1 * interval '1 ms' and event in (select id from old)
  )
  delete from tappet.events where id in (select id from old) returning id`

/** A thousand events a statement, so that no lock is held for long. */
export async function retire(pool: Pool, { runsMs, deadMs }: Retention): Promise<number> {
  let total = 0
  for (;;) {
    const gone = (await query(pool, 'retire', RETIRE, [runsMs, deadMs])).length
    total += gone
    if (gone < 1_000) return total
  }
}
