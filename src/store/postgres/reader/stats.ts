import type { Pool } from 'pg'
import type { Filter } from '../../../filter/filter.ts'
import type { Bucket, FunctionStats, Minute, QueueState, VersionSeen, WorkerState } from '../../reader.ts'
import { filterSql } from '../filter-sql.ts'
import { ask, values } from './ask.ts'

/** By the time that is in a run's id: the buckets are cut where an index of ids can be cut. */
export async function histogram(
  pool: Pool,
  filter: Filter,
  { sinceMs, buckets }: { readonly sinceMs: number; readonly buckets: number },
): Promise<Bucket[]> {
  const list = values()
  const within = {
    field: 'since',
    path: [],
    operator: ':',
    values: [`${Math.round(sinceMs)}ms`],
    negated: false,
  } as const
  const where = filterSql({ ...filter, terms: [...filter.terms, within] }, list.bind)
  const stepMs = list.bind(sinceMs / buckets)
  const text = `
    with found as (
      select floor(extract(epoch from now() - r.created_at) * 1000 / ${stepMs}::float8)::int as back, r.state, count(*)::int as n
        from tappet.runs r where ${where} group by 1, 2
    )
    select now() - (b.back + 1) * ${stepMs}::float8 * interval '1 ms' as from,
           coalesce(sum(n) filter (where state = 'completed'), 0)::int as completed,
           coalesce(sum(n) filter (where state = 'dead'), 0)::int as dead,
           coalesce(sum(n) filter (where state = 'cancelled'), 0)::int as cancelled,
           coalesce(sum(n) filter (where state in ('accepted', 'queued', 'running', 'retrying')), 0)::int as open
      from generate_series(0, ${list.bind(buckets)}::int - 1) as b(back) left join found f on f.back = b.back
     group by b.back order by b.back desc`
  return ask<Bucket>(pool, text, list)
}

const FUNCTIONS = `
  with ended as (
    select function_id, state, extract(epoch from finished_at - started_at) * 1000 as ms from tappet.runs
     where finished_at > now() - interval '24 h' and state in ('completed', 'dead')
  ), counted as (
    select function_id, count(*) filter (where state = 'completed')::int as completed,
           count(*) filter (where state = 'dead')::int as dead,
           percentile_cont(0.5) within group (order by ms) as p50,
           percentile_cont(0.95) within group (order by ms) as p95
      from ended group by function_id
  )
  select c.*, tappet.json_text(f.failure, '{message}') as last_error, f.at as last_error_at
    from counted c left join lateral (
      select r.failure, coalesce(r.finished_at, r.started_at) as at from tappet.runs r
       where r.function_id = c.function_id and r.failure is not null and c.dead > 0 order by r.id desc limit 1) f on true
   order by c.function_id`

interface FunctionRow {
  readonly function_id: string
  readonly completed: number
  readonly dead: number
  readonly p50: number | null
  readonly p95: number | null
  readonly last_error: string | null
  readonly last_error_at: Date | null
}

export async function functionStats(pool: Pool): Promise<FunctionStats[]> {
  const rows = await ask<FunctionRow>(pool, FUNCTIONS)
  return rows.map(({ function_id: functionId, completed, dead, p50, p95, last_error, last_error_at }) => ({
    ...{ functionId, completed, dead, p50Ms: p50, p95Ms: p95 },
    success: completed + dead === 0 ? null : completed / (completed + dead),
    lastError: last_error,
    lastErrorAt: last_error_at,
  }))
}

const MINUTES = `
  with ended as (
    select floor(extract(epoch from now() - finished_at) / 60)::int as back, state, attempt,
           extract(epoch from started_at - greatest(due_at, created_at)) * 1000 as waited
      from tappet.runs where finished_at > now() - interval '1 h'
  )
  select now() - (b.back + 1) * interval '1 min' as from,
         (count(*) filter (where e.state = 'completed'))::int as completed,
         (count(*) filter (where e.state = 'dead'))::int as dead,
         percentile_cont(0.95) within group (order by greatest(e.waited, 0))
           filter (where e.attempt = 1 and e.state = 'completed') as queue_p95_ms
    from generate_series(0, 59) as b(back) left join ended e on e.back = b.back
   group by b.back order by b.back desc`

export async function minutes(pool: Pool): Promise<Minute[]> {
  const rows = await ask<Omit<Minute, 'queueP95Ms'> & { queue_p95_ms: number | null }>(pool, MINUTES)
  return rows.map(({ queue_p95_ms: queueP95Ms, ...rest }) => ({ ...rest, queueP95Ms }))
}

const QUEUES = `
  select function_id as "functionId",
         (count(*) filter (where state = 'queued' or (state = 'accepted' and due_at <= now())))::int as waiting,
         (count(*) filter (where state = 'running'))::int as running,
         (count(*) filter (where state = 'retrying' or (state = 'accepted' and due_at > now())))::int as later,
         extract(epoch from now() - min(greatest(due_at, created_at))
           filter (where state = 'queued' or (state = 'accepted' and due_at <= now())))::float8 * 1000 as "oldestMs"
    from tappet.runs where state in ('accepted', 'retrying') or state = 'queued' or state = 'running'
   group by function_id order by function_id`

export function queues(pool: Pool): Promise<QueueState[]> {
  return ask<QueueState>(pool, QUEUES)
}

const WORKERS = `
  select w.id, w.host, w.pid, w.started_at as "startedAt", w.heartbeat_at as "heartbeatAt",
         (select count(*)::int from tappet.runs r where r.worker = w.id and r.state = 'running') as running
    from tappet.workers w where w.heartbeat_at > now() - interval '10 min' order by w.id`

export function workers(pool: Pool): Promise<WorkerState[]> {
  return ask<WorkerState>(pool, WORKERS)
}

export function versions(pool: Pool, functionId: string): Promise<VersionSeen[]> {
  const list = values()
  const text = `
    select a.version, min(a.started_at) as "firstAt", max(a.started_at) as "lastAt", count(*)::int as attempts,
           (count(*) filter (where a.outcome in ('retry', 'dead')))::int as failed
      from (select id from tappet.runs where function_id = ${list.bind(functionId)} order by id desc limit 5000) r
      join tappet.attempts a on a.run = r.id
     where a.version is not null group by a.version order by max(a.started_at) desc limit 50`
  return ask<VersionSeen>(pool, text, list)
}
