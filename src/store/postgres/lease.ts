import type { Pool, PoolClient, QueryResultRow } from 'pg'
import type { Job } from '../../queue/queue.ts'
import type { Claim, Finish, Lease, Metered, Neighbour, WorkerInfo } from '../store.ts'
import { fingerprintOf } from '../fingerprint.ts'
import { isCrash } from '../run-state.ts'
import { inOrder, type Order, release } from './order.ts'
import { query } from './pool.ts'
import { type ClaimRow, type JobRow, toClaim, toJob } from './rows.ts'

/**
 * Rows are locked in the order of their ids everywhere, so that batches of several processes never dead-lock.
 *
 * A claim need not survive a crash of Postgres: without it, the run is where it was, and the worker's finish is refused.
 * So its commit does not wait for the disk.
 */
const CLAIM = `
  with wanted as (
    select r.id from tappet.runs r join unnest($1::text[], $2::int[]) as j(id, lease) on j.id = r.id
     where r.lease = j.lease and r.state in ('accepted', 'queued', 'retrying') and not r.held and r.due_at <= now()
       and not exists (select from tappet.paused p where p.function_id = r.function_id)
     order by r.id for update of r
  ), taken as (
    update tappet.runs r
       set state = 'running', attempt = attempt + 1, lease = lease + 1, worker = $3, started_at = now()
      from wanted w where w.id = r.id
    returning r.id, r.event, r.function_id, r.lease, r.attempt, r.max_attempts, r.trigger, r.losses,
              r.crashes, r.ordering_key
  )
  select t.id, t.function_id, t.lease, t.attempt, t.max_attempts, t.trigger, t.losses, t.crashes,
         encode(t.ordering_key, 'hex') as order,
         e.event_id, e.source, e.type, e.subject, e.time, e.payload, set_config('synchronous_commit', 'off', true)
    from taken t join tappet.events e on e.id = t.event`

export async function claimAll(
  pool: Pool,
  jobs: readonly Job[],
  workerId: string,
): Promise<(Claim | null)[]> {
  const rows = await query<ClaimRow>(pool, 'claim', CLAIM, [
    jobs.map(({ runId }) => runId),
    jobs.map(({ lease }) => lease),
    workerId,
  ])
  const claims = new Map(rows.map((row) => [row.id, row]))
  return jobs.map(({ runId }) => {
    const row = claims.get(runId)
    claims.delete(runId)
    return row ? toClaim(row) : null
  })
}

/** `released`: the attempt was not used; a shutdown is not counted as a loss either. */
const FINISH = `
  with outcome as (
    select * from unnest($1::text[], $2::int[], $3::text[], $4::float8[], $5::text[], $6::text[], $7::text[], $8::boolean[],
                         $9::text[], $10::boolean[], $11::text[])
      as o(id, lease, kind, delay_ms, result, failure, version, loss, fingerprint, crash, meter)
  ), held as (
    select r.id, r.worker from tappet.runs r join outcome o on o.id = r.id
     where r.lease = o.lease and r.state = 'running' order by r.id for update of r
  ), ended as (
    update tappet.runs r
       set state = case o.kind when 'completed' then 'completed' when 'dead' then 'dead'
                               when 'retry' then 'retrying' else 'queued' end,
           attempt = r.attempt - (o.kind = 'released')::int,
           losses = r.losses + o.loss::int, crashes = r.crashes + o.crash::int,
           due_at = now() + o.delay_ms * interval '1 ms',
           queued_at = case when o.kind = 'released' then now() else r.queued_at end,
           finished_at = case when o.kind in ('completed', 'dead') then now() end,
           worker = null, result = o.result::json, failure = o.failure::json, fingerprint = o.fingerprint
      from outcome o join held h on h.id = o.id where o.id = r.id
    returning r.id, o.lease, o.kind, o.failure, o.version, o.fingerprint, h.worker, r.started_at,
              r.attempt + (o.kind = 'released')::int as number, o.meter::real[] as m
  ), recorded as (
    insert into tappet.attempts (run, lease, number, outcome, worker, version, started_at, failure, fingerprint,
           duration_ms, cpu_ms, peak_kb, cold, bytes_in, bytes_out, memory_mb)
    select id, lease, number, kind, worker, version, started_at, failure::json, fingerprint,
           m[1], m[2], m[3], m[4] = 1, m[5], m[6], m[7] from ended
  )
  select id from ended`

export async function finishAll(pool: Pool | PoolClient, finishes: readonly Finish[]): Promise<boolean[]> {
  const rows = await query<{ id: string }>(pool, 'finish', FINISH, [
    finishes.map(({ runId }) => runId),
    finishes.map(({ lease }) => lease),
    finishes.map(({ outcome }) => outcome.kind),
    finishes.map(({ outcome }) => (outcome.kind === 'retry' ? outcome.delayMs : 0)),
    finishes.map(({ outcome }) =>
      outcome.kind === 'completed' ? JSON.stringify(outcome.result ?? null) : null,
    ),
    finishes.map(({ outcome }) => (outcome.kind === 'completed' ? null : JSON.stringify(outcome.failure))),
    finishes.map(({ version }) => version),
    finishes.map(({ outcome }) => outcome.kind === 'released' && outcome.failure.code !== 'TPT_SHUTDOWN'),
    finishes.map(({ outcome }) =>
      outcome.kind === 'retry' || outcome.kind === 'dead' ? fingerprintOf(outcome.failure) : null,
    ),
    finishes.map(({ outcome }) => isCrash(outcome)),
    finishes.map(({ meter }) => (meter ? toArray(meter) : null)),
  ])
  const ended = new Set(rows.map(({ id }) => id))
  return finishes.map(({ runId }) => ended.has(runId))
}

/** All of it as one value: a further array of values costs each batch more than its columns cost the row. */
function toArray({ durationMs, cpuMs, peakKb, cold, bytesIn, bytesOut, memoryMb }: Metered): string {
  return `{${durationMs},${cpuMs},${peakKb},${cold ? 1 : 0},${bytesIn},${bytesOut},${memoryMb}}`
}

/** The same for runs that others may be held behind: these may start with the commit that ends them. */
export async function finishInOrder(
  pool: Pool,
  finishes: readonly Finish[],
): Promise<{ readonly ended: readonly boolean[]; readonly released: readonly Job[] }> {
  return inOrder(pool, finishes.flatMap(toOrder), async (client) => {
    const ended = await finishAll(client, finishes)
    const over = finishes.filter(
      ({ outcome: { kind } }, i) => ended[i] && (kind === 'completed' || kind === 'dead'),
    )
    return { ended, released: (await release(client, over.flatMap(toOrder))).jobs }
  })
}

function toOrder({ functionId, order }: Finish): Order[] {
  return order === null ? [] : [{ functionId, digest: Buffer.from(order, 'hex') }]
}

const BEAT = `
  insert into tappet.workers (id, host, pid, machine, birth) values ($1, $2, $3, $4, $5)
  on conflict (id) do update set heartbeat_at = now()`

const NOT_MINE = `
  select h.id, h.lease from unnest($2::text[], $3::int[]) as h(id, lease)
   where not exists (
     select from tappet.runs r where r.id = h.id and r.lease = h.lease and r.state = 'running' and r.worker = $1)`

export async function beat(pool: Pool, worker: WorkerInfo, held: readonly Lease[]): Promise<Lease[]> {
  const { machine = null, birth = null } = worker
  await query(pool, 'beat', BEAT, [worker.id, worker.host, worker.pid, machine, birth])
  if (held.length === 0) return []
  const rows = await query<{ id: string; lease: number }>(pool, 'not-mine', NOT_MINE, [
    worker.id,
    ...columns(held),
  ])
  return rows.map(({ id, lease }) => ({ runId: id, lease }))
}

const NEIGHBOURS = `
  select id, pid, birth from tappet.workers
   where machine = $1 and heartbeat_at < now() - $2 * interval '1 ms' order by id`

export async function neighbours(pool: Pool, machine: string, silentMs: number): Promise<Neighbour[]> {
  return query<Neighbour & QueryResultRow>(pool, 'neighbours', NEIGHBOURS, [machine, silentMs])
}

export async function forget(pool: Pool, workerIds: readonly string[]): Promise<void> {
  await query(pool, 'forget', 'delete from tappet.workers where id = any($1)', [workerIds])
}

/** Five seconds of grace: a claim that has been committed may still be on its way to the worker. */
const DISOWN = `
  with lost as (
    select id, lease, attempt, started_at from tappet.runs r
     where worker = $1 and state = 'running' and started_at < now() - interval '5 s'
       and not exists (select from unnest($2::text[], $3::int[]) as h(id, lease) where h.id = r.id and h.lease = r.lease)
     order by id for update
  )`

const LEFT = `
  with lost as (
    select id, lease, attempt, started_at from tappet.runs where worker = $1 and state = 'running' order by id for update
  )`

/** A run whose worker is gone goes back without having used an attempt. */
export const PUT_BACK = `
  , back as (
    update tappet.runs r set state = 'queued', attempt = r.attempt - 1, worker = null, due_at = now(), queued_at = now()
      from lost l where l.id = r.id
    returning r.id, r.function_id, r.lease
  ), recorded as (
    insert into tappet.attempts (run, lease, number, outcome, worker, started_at)
    select id, lease, attempt, 'lost', $1, started_at from lost
  )
  select id, function_id, lease from back`

export async function disown(pool: Pool, workerId: string, held: readonly Lease[]): Promise<Job[]> {
  const rows = await query<JobRow>(pool, 'disown', DISOWN + PUT_BACK, [workerId, ...columns(held)])
  return rows.map(toJob)
}

export async function leave(pool: Pool, workerId: string): Promise<Job[]> {
  const rows = await query<JobRow>(pool, 'leave', LEFT + PUT_BACK, [workerId])
  await query(pool, 'leave-worker', 'delete from tappet.workers where id = $1', [workerId])
  return rows.map(toJob)
}

function columns(leases: readonly Lease[]): [string[], number[]] {
  return [leases.map(({ runId }) => runId), leases.map(({ lease }) => lease)]
}
