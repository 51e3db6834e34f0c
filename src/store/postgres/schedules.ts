import type { Pool, PoolClient } from 'pg'
import {
  ABANDONED_MS,
  type Advance,
  type DueSchedule,
  MISSED_KEPT_MS,
  type MissedRow,
  type ScheduleRow,
  type Schedules,
  type ScheduleSpec,
  type ServedSpec,
  UNSERVED_MS,
} from '../../triggers/cron/schedules.ts'
import { query, toStoreError } from './pool.ts'

/** Schedules in the table of the ledger. */
export function createPostgresSchedules(pool: Pool): Schedules {
  return {
    async sync(declared) {
      await serve(pool, declared, 0)
      await query(pool, 'schedules-abandoned', ABANDONED, [ABANDONED_MS])
      await query(pool, 'schedules-forget-missed', FORGET_MISSED, [MISSED_KEPT_MS])
    },
    keep: (declared) => serve(pool, declared, UNSERVED_MS),
    async fireDue(served, fire) {
      for (;;) {
        const { due, next_ms: nextMs } = await look(pool, served)
        if (!due || (await fireBatch(pool, served, fire)) === 0) return nextMs
      }
    },
    async busy(functionId, index) {
      const [row] = await query<{ busy: boolean }>(pool, 'schedules-busy', BUSY, [functionId, index])
      return row?.busy === true
    },
    missed: (mostOfEach) => query<MissedRow>(pool, 'schedules-missed', MISSED, [mostOfEach]),
    async list() {
      return query<RawRow>(pool, 'schedules-list', LIST, [UNSERVED_MS]).then((rows) => rows.map(toRow))
    },
  }
}

/**
 * New ones begin with the tick that the caller has computed. The same spec is only said to be served, at most every
 * 10 s; another spec is replaced once it has not been served for so long, or was before the clock was set back.
 */
const SERVE = `
  insert into tappet.schedules as s (id, function_id, expression, timezone, spec, next_at)
  select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
    as declared(id, function_id, expression, timezone, spec, next_at) order by id
  on conflict (id) do update set
    function_id = excluded.function_id, expression = excluded.expression, timezone = excluded.timezone,
    spec = excluded.spec, served_at = now(),
    next_at = case when s.spec = excluded.spec then s.next_at else excluded.next_at end,
    previous_at = case when s.spec = excluded.spec then s.previous_at end,
    skipped = case when s.spec = excluded.spec then s.skipped else 0 end
  where s.served_at <= now() - case when s.spec = excluded.spec then 10000 else $7 end * interval '1 ms'
     or s.served_at > now() + interval '1 min'`

const ABANDONED = `delete from tappet.schedules where served_at < now() - $1 * interval '1 ms'`

const FORGET_MISSED = `delete from tappet.missed_ticks where found_at < now() - $1 * interval '1 ms'`

const LOOK = `
  select coalesce(bool_or(next_at <= now()), false) as due,
         extract(epoch from min(next_at) filter (where next_at > now()) - now())::float8 * 1000 as next_ms
    from tappet.schedules join unnest($1::text[], $2::text[]) as served(id, spec) using (id, spec)`

const TAKE = `
  select s.id, s.next_at, s.previous_at, now() as now
    from tappet.schedules s join unnest($1::text[], $2::text[]) as served(id, spec) using (id, spec)
   where s.next_at <= now() order by s.next_at, s.id limit 100 for update of s skip locked`

const ADVANCE = `
  update tappet.schedules s set next_at = a.next_at, previous_at = a.previous_at, skipped = s.skipped + a.skipped
    from unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::int[]) as a(id, next_at, previous_at, skipped)
   where s.id = a.id`

/** Beside the schedule that goes on, so that both are there or neither. */
const LATE = `
  with old as (
    delete from tappet.missed_ticks where schedule = any ($1) and found_at < now() - $8 * interval '1 ms')
  insert into tappet.missed_ticks (schedule, first_at, last_at, missed, made, catch_up, busy)
  select * from unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::int[], $5::int[], $6::text[], $7::boolean[])`

const MISSED = `
  select schedule, found_at as "foundAt", first_at as first, last_at as last, missed as count, made,
         catch_up as "catchUp", busy
    from (select *, row_number() over (partition by schedule order by id desc) as place from tappet.missed_ticks) t
   where place <= $1 and found_at >= now() - interval '${MISSED_KEPT_MS} ms' order by id desc`

/** By state: each has a small index that only holds such runs. */
const BUSY = `
  select exists (select from tappet.runs where state in ('accepted', 'retrying') and function_id = $1 and trigger = $2)
      or exists (select from tappet.runs where state = 'queued' and function_id = $1 and trigger = $2)
      or exists (select from tappet.runs where state = 'running' and function_id = $1 and trigger = $2) as busy`

const LIST = `
  select id, function_id, expression, timezone, spec, next_at, previous_at, skipped::float8,
         served_at > now() - $1 * interval '1 ms' as served
    from tappet.schedules order by next_at nulls last, id`

async function serve(pool: Pool, declared: readonly ScheduleSpec[], unservedMs: number): Promise<void> {
  if (declared.length === 0) return
  const [clock] = await query<{ now: Date }>(pool, 'schedules-now', 'select clock_timestamp() as now')
  if (!clock) return
  const { now } = clock
  await query(pool, 'schedules-serve', SERVE, [
    declared.map(({ id }) => id),
    declared.map(({ functionId }) => functionId),
    declared.map(({ expression }) => expression),
    declared.map(({ timezone }) => timezone),
    declared.map(({ spec }) => spec),
    declared.map((schedule) => schedule.after(now)),
    unservedMs,
  ])
}

interface Look {
  readonly due: boolean
  readonly next_ms: number | null
}

async function look(pool: Pool, served: readonly ServedSpec[]): Promise<Look> {
  const [row] = await query<Look>(pool, 'schedules-look', LOOK, specs(served))
  return row ?? { due: false, next_ms: null }
}

/**
 * Fires what is due and not in another's hands, and answers how many schedules went on. The transaction holds the
 * rows: if we die, or hang for 4 s, the server lets them go and another process takes them.
 */
async function fireBatch(
  pool: Pool,
  served: readonly ServedSpec[],
  fire: (due: DueSchedule) => Promise<Advance>,
): Promise<number> {
  let broken = false
  const client = await connect(pool)
  const onError = (): void => void (broken = true)
  client.on('error', onError)
  try {
    await client.query(`begin; set local idle_in_transaction_session_timeout = '4s'`)
    const rows = await query<DueRow>(client, 'schedules-take', TAKE, specs(served))
    const fired = await Promise.allSettled(rows.map((row) => fire(toDue(row))))
    const advances = fired.flatMap((result, i) => {
      const id = rows[i]?.id
      return result.status === 'fulfilled' && id !== undefined ? [{ ...result.value, id }] : []
    })
    if (advances.length > 0) await advance(client, advances)
    await client.query('commit')
    return advances.length
  } catch (error) {
    await client.query('rollback').catch(() => void (broken = true))
    throw toStoreError(error)
  } finally {
    client.off('error', onError)
    client.release(broken)
  }
}

function connect(pool: Pool): Promise<PoolClient> {
  return pool.connect().catch((error: unknown) => {
    throw toStoreError(error)
  })
}

async function advance(
  client: PoolClient,
  advances: readonly (Advance & { readonly id: string })[],
): Promise<void> {
  await query(client, 'schedules-advance', ADVANCE, [
    advances.map(({ id }) => id),
    advances.map(({ nextAt }) => nextAt),
    advances.map(({ previousAt }) => previousAt),
    advances.map(({ skipped }) => skipped),
  ])
  const late = advances.flatMap(({ id, missed }) => (missed ? [{ ...missed, id }] : []))
  if (late.length === 0) return
  await query(client, 'schedules-late', LATE, [
    late.map(({ id }) => id),
    late.map(({ first }) => first),
    late.map(({ last }) => last),
    late.map(({ count }) => count),
    late.map(({ made }) => made),
    late.map(({ catchUp }) => catchUp),
    late.map(({ busy }) => busy),
    MISSED_KEPT_MS,
  ])
}

function specs(served: readonly ServedSpec[]): [string[], string[]] {
  return [served.map(({ id }) => id), served.map(({ spec }) => spec)]
}

interface DueRow {
  readonly id: string
  readonly next_at: Date
  readonly previous_at: Date | null
  readonly now: Date
}

function toDue({ id, next_at, previous_at, now }: DueRow): DueSchedule {
  return { id, nextAt: next_at, previousAt: previous_at, now }
}

interface RawRow {
  readonly id: string
  readonly function_id: string
  readonly expression: string
  readonly timezone: string
  readonly spec: string
  readonly next_at: Date | null
  readonly previous_at: Date | null
  readonly skipped: number
  readonly served: boolean
}

function toRow({ function_id, next_at, previous_at, ...row }: RawRow): ScheduleRow {
  return { ...row, functionId: function_id, nextAt: next_at, previousAt: previous_at }
}
