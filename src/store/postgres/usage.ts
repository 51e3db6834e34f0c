import type { Pool } from 'pg'
import { BILLED, type Usage } from '../usage.ts'
import { query } from './pool.ts'

/** Attempts from before they were measured are taken by the clock. */
const SUMS = `
  select (a.finished_at at time zone 'UTC')::date as day, r.function_id, count(distinct a.run) as runs, count(*) as attempts,
         count(*) filter (where a.outcome <> 'completed') as failed, count(*) filter (where a.cold) as cold,
         sum(t.ms) as busy_ms, coalesce(sum(t.ms) filter (where a.outcome <> 'completed'), 0) as failed_ms,
         sum(greatest(ceil(t.ms), 1)) as billed_ms,
         coalesce(sum(greatest(ceil(t.ms), 1) * a.memory_mb), 0) / 1024000 as gb_seconds,
         coalesce(sum(a.cpu_ms::float8), 0) as cpu_ms, coalesce(max(a.peak_kb), 0) as peak_kb,
         coalesce(sum(a.bytes_in), 0) as bytes_in, coalesce(sum(a.bytes_out), 0) as bytes_out
    from tappet.attempts a join tappet.runs r on r.id = a.run
   cross join lateral (
     select coalesce(a.duration_ms::float8, extract(epoch from a.finished_at - a.started_at)::float8 * 1000) as ms) t
   where a.outcome in (${BILLED.map((outcome) => `'${outcome}'`).join()})`

/** From the first day that has not been summed up. */
const OPEN = `a.finished_at >= coalesce((select max(day) + 1 from tappet.usage), '-infinity')::timestamp at time zone 'UTC'`

const USAGE = `
  with days as (select (now() at time zone 'UTC')::date - $1::int + 1 as first),
  found as (
    select u.* from tappet.usage u, days where u.day >= days.first
    union all
    ${SUMS} and ${OPEN} and a.finished_at >= (select first from days)::timestamp at time zone 'UTC' group by 1, 2
  )
  select to_char(day, 'YYYY-MM-DD') as day, function_id as "functionId", runs::int, attempts::int, failed::int, cold::int,
         busy_ms::float8 as "busyMs", failed_ms::float8 as "failedMs", billed_ms::float8 as "billedMs",
         gb_seconds::float8 as "gbSeconds", cpu_ms::float8 as "cpuMs", peak_kb::int as "peakKb",
         bytes_in::float8 as "bytesIn", bytes_out::float8 as "bytesOut"
    from found order by day desc, function_id`

export function usage(pool: Pool, days: number): Promise<Usage[]> {
  return query<Usage>(pool, 'usage', USAGE, [days])
}

/** What ended shortly before midnight may be committed shortly after: a day is over ten minutes later. */
const SUM_USAGE = `
  insert into tappet.usage (day, function_id, runs, attempts, failed, cold, busy_ms, failed_ms, billed_ms, gb_seconds, cpu_ms,
         peak_kb, bytes_in, bytes_out)
  ${SUMS} and ${OPEN}
     and a.finished_at < date_trunc('day', (now() - interval '10 min') at time zone 'UTC') at time zone 'UTC'
   group by 1, 2
  on conflict do nothing returning day`

export async function sumUsage(pool: Pool): Promise<number> {
  return (await query(pool, 'sum-usage', SUM_USAGE)).length
}
