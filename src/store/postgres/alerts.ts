import type { Pool, PoolClient } from 'pg'
import type { Facts, Memory, OpenAlert } from '../../alerts/alert.ts'
import type { AlertLedger, DueNotice, Settlement } from '../../alerts/ledger.ts'
import { createPostgresTellings } from './alerts-told.ts'
import { query, transaction } from './pool.ts'
import { queues } from './reader/stats.ts'

/** Alerts in the ledger's Postgres. The pool stays its owner's. */
export function createPostgresAlerts(pool: Pool): AlertLedger {
  return {
    async takeRound(everyMs) {
      const [row] = await query<{ number: string; memory: Memory }>(pool, 'alerts-round', ROUND, [everyMs])
      return row ?? null
    },
    facts: (windowMs) => readFacts(pool, windowMs),
    settle: (round, memory, destinations, settle) =>
      transaction(pool, async (client) => {
        const owned = await query(client, 'alerts-own', OWN, [round.number, JSON.stringify(memory)])
        if (owned.length === 0) return
        const open = await query<OpenAlert>(client, 'alerts-open', OPEN)
        await write(client, settle(open), destinations)
      }),
    takeNotices: (destinations) => query<DueNotice>(pool, 'alerts-take', TAKE, [destinations]),
    async delivered(id) {
      await query(pool, 'alerts-delivered', DELIVERED, [id])
    },
    async failed(id, delayMs, error) {
      await query(pool, 'alerts-failed', FAILED, [id, delayMs, error])
    },
    async giveUp(olderThanMs) {
      return (await query(pool, 'alerts-give-up', GIVE_UP, [olderThanMs])).length
    },
    ...createPostgresTellings(pool),
  }
}

const ROUND = `
  update tappet.alert_watch set round = round + 1, looked_at = now()
   where looked_at <= now() - $1::float8 * interval '1 ms' or looked_at > now() + interval '1 min'
  returning round::text as number, memory`

/** The lock holds until the commit: who began a later round writes after us. */
const OWN = `update tappet.alert_watch set memory = $2 where round = $1::bigint returning round`

const OPEN = `
  select kind, subject, id, message, to_char(since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as since,
         extract(epoch from now() - seen_at)::float8 * 1000 as "quietMs" from tappet.alerts`

const TAKE = `
  update tappet.alert_notices set attempts = attempts + 1, due_at = now() + interval '1 min'
   where seq in (
     select seq from tappet.alert_notices n where destination = any ($1::text[]) and due_at <= now()
        and not exists (select from tappet.alert_notices o
                         where o.alert = n.alert and o.destination = n.destination and o.seq < n.seq)
      order by seq limit 20 for update skip locked)
  returning id, destination, body as notice, attempts, extract(epoch from now())::float8 as "nowS"`

const FAILED = `
  update tappet.alert_notices set due_at = now() + $2::float8 * interval '1 ms', error = $3 where id = $1`

const MOVED = `
  insert into tappet.alert_told (id, alert, destination, body, attempts, error, created_at, taken)
  select id, alert, destination, body, attempts, error, created_at`

const DELIVERED = `
  with gone as (delete from tappet.alert_notices where id = $1 returning *)
  ${MOVED}, true from gone on conflict do nothing`

const GIVE_UP = `
  with gone as (
    delete from tappet.alert_notices where created_at < now() - $1::float8 * interval '1 ms' returning *)
  ${MOVED}, false from gone on conflict do nothing returning id`

async function write(
  client: PoolClient,
  { changes, notices }: Settlement,
  destinations: readonly string[],
): Promise<void> {
  const { opened, seen, closed } = changes
  const columns = (list: readonly { kind: string; subject: string }[]): [string[], string[]] => [
    list.map(({ kind }) => kind),
    list.map(({ subject }) => subject),
  ]
  await query(client, 'alerts-insert', INSERT, [
    ...columns(opened),
    opened.map(({ id }) => id),
    opened.map(({ message }) => message),
  ])
  await query(client, 'alerts-seen', SEEN, [...columns(seen), seen.map(({ message }) => message)])
  await query(client, 'alerts-close', CLOSE, columns(closed))
  await query(client, 'alerts-notify', NOTIFY, [
    notices.map(({ id }) => id),
    notices.map(({ notice }) => notice.data.id),
    notices.map(({ notice }) => JSON.stringify(notice)),
    destinations,
  ])
}

const INSERT = `
  insert into tappet.alerts (kind, subject, id, message)
  select * from unnest($1::text[], $2::text[], $3::text[], $4::text[])`

const SEEN = `
  update tappet.alerts a set seen_at = now(), message = s.message
    from unnest($1::text[], $2::text[], $3::text[]) as s(kind, subject, message)
   where a.kind = s.kind and a.subject = s.subject`

const CLOSE = `
  delete from tappet.alerts a using unnest($1::text[], $2::text[]) as c(kind, subject)
   where a.kind = c.kind and a.subject = c.subject`

/** An id for each destination: who gets both can tell them apart. */
const NOTIFY = `
  insert into tappet.alert_notices (id, alert, destination, body)
  select n.id || '-' || d.name, n.alert, d.name, n.body
    from unnest($1::text[], $2::text[], $3::json[]) with ordinality as n(id, alert, body, place),
         unnest($4::text[]) as d(name) order by n.place`

async function readFacts(pool: Pool, windowMs: number): Promise<Facts> {
  const [functions, dead, waiting, paused, schedules, clock] = await Promise.all([
    query<Facts['functions'][number]>(pool, 'alerts-failing', FAILING, [windowMs]),
    query<Facts['dead'][number]>(pool, 'alerts-dead', DEAD, [windowMs]),
    queues(pool),
    query<{ id: string }>(pool, 'alerts-paused', 'select function_id as id from tappet.paused'),
    query<Facts['schedules'][number]>(pool, 'alerts-schedules', SCHEDULES),
    query<{ ms: number }>(pool, 'alerts-now', 'select extract(epoch from now())::float8 * 1000 as ms'),
  ])
  const held = new Set(paused.map(({ id }) => id))
  return {
    nowMs: clock[0]?.ms ?? 0,
    functions,
    dead,
    queues: waiting.filter(({ functionId }) => !held.has(functionId)),
    schedules,
  }
}

/** By the index of failed attempts, and no more of them than one look may cost. */
const RECENT = `
  select run, outcome, failure, finished_at from tappet.attempts
   where fingerprint is not null and finished_at > now() - $1::float8 * interval '1 ms'
   order by finished_at desc limit 10000`

const FAILING = `
  with recent as (${RECENT}), failing as (
    select r.function_id, (array_agg(a.failure order by a.finished_at desc))[1] as failure
      from recent a join tappet.runs r on r.id = a.run group by r.function_id
  )
  select f.function_id as "functionId", tappet.json_text(f.failure, '{message}') as "lastError", n.failed, n.completed
    from failing f, lateral (
      select (count(*) filter (where state in ('dead', 'retrying')))::int as failed,
             (count(*) filter (where state = 'completed'))::int as completed
        from (select state, started_at from tappet.runs
               where function_id = f.function_id order by id desc limit 500) newest
       where started_at > now() - $1::float8 * interval '1 ms') n`

const DEAD = `
  with recent as (${RECENT})
  select r.function_id as "functionId", count(distinct r.id)::int as count,
         tappet.json_text((array_agg(a.failure order by a.finished_at desc))[1], '{message}') as "lastError"
    from recent a join tappet.runs r on r.id = a.run
   where a.outcome = 'dead' and r.state = 'dead' group by r.function_id`

const SCHEDULES = `
  select id, function_id as "functionId", expression, skipped::float8 as skipped,
         extract(epoch from now() - next_at)::float8 * 1000 as "lateMs" from tappet.schedules`
