import type pg from 'pg'

export const everySecond = (schedules: number, body = ''): string => `
import { cron, defineFunction } from 'tappet'
const everySecond = cron('* * * * * *', { catchUp: 'all' })
export default defineFunction({ on: Array.from({ length: ${schedules} }, () => everySecond) }, async (event, ctx) => {
  ${body || 'return'}
})
`

/** What became of the ticks from `from` to `until`, both included, of schedules that tick each second. */
export interface Ticked {
  readonly expected: number
  readonly events: number
  /** Events beyond the first of a schedule and tick. */
  readonly double: number
  /** Ticks of a schedule without an event. */
  readonly missed: number
  /** Events received before their tick, by the database's clock. */
  readonly early: number
  /** Events with another number of runs than one. */
  readonly unpaired: number
  readonly lateMs: { readonly p50: number; readonly p99: number; readonly max: number }
}

const COUNT = `
  with events as (
    select id, source, payload->'data'->>'scheduledAt' as tick,
           extract(epoch from received_at - (payload->'data'->>'scheduledAt')::timestamptz)::float8 * 1000 as late_ms
      from tappet.events where type = 'cron.tick'
       and (payload->'data'->>'scheduledAt')::timestamptz between $1 and $2
  ), paired as (
    select e.id, count(r.id) as runs from events e left join tappet.runs r on r.event = e.id group by e.id
  )
  select count(*)::int as events, count(distinct (source, tick))::int as ticks,
         count(*) filter (where late_ms < 0)::int as early,
         (select count(*) from paired where runs <> 1)::int as unpaired,
         coalesce(percentile_cont(0.5) within group (order by late_ms), 0)::float8 as p50,
         coalesce(percentile_cont(0.99) within group (order by late_ms), 0)::float8 as p99,
         coalesce(max(late_ms), 0)::float8 as max
    from events`

export async function countTicks(db: pg.Pool, schedules: number, from: Date, until: Date): Promise<Ticked> {
  const { rows } = await db.query<
    Record<'events' | 'ticks' | 'early' | 'unpaired' | 'p50' | 'p99' | 'max', number>
  >(COUNT, [from, until])
  const [row] = rows
  if (!row) throw new Error('the ledger did not answer')
  const expected = schedules * ((until.getTime() - from.getTime()) / 1_000 + 1)
  const { events, ticks, early, unpaired, p50, p99, max } = row
  const lateMs = { p50, p99, max }
  return { expected, events, double: events - ticks, missed: expected - ticks, early, unpaired, lateMs }
}

/** The first full second after now, by the database's clock. */
export async function nextSecond(db: pg.Pool, inSeconds = 1): Promise<Date> {
  const { rows } = await db.query<{ at: Date }>(
    `select date_trunc('second', clock_timestamp()) + $1 * interval '1 s' as at`,
    [inSeconds],
  )
  if (!rows[0]) throw new Error('the database did not tell the time')
  return rows[0].at
}

/** Resolves when the database's clock has passed the instant. */
export async function clockPasses(db: pg.Pool, instant: Date): Promise<boolean> {
  const { rows } = await db.query<{ passed: boolean }>('select clock_timestamp() > $1 as passed', [instant])
  return rows[0]?.passed === true
}

/** Resolves when each schedule has decided every tick up to the instant. */
export async function allDecided(db: pg.Pool, schedules: number, instant: Date): Promise<boolean> {
  const { rows } = await db.query<{ done: number }>(
    'select count(*)::int as done from tappet.schedules where next_at > $1',
    [instant],
  )
  return rows[0]?.done === schedules
}
