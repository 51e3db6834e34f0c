import type { Pool } from 'pg'
import type { AlertLedger, FiringAlert, Telling } from '../../alerts/ledger.ts'
import { query } from './pool.ts'

type Tellings = Pick<AlertLedger, 'record' | 'forget' | 'nowMs' | 'firing' | 'tellings'>

/** Who was told of which alerts. */
export function createPostgresTellings(pool: Pool): Tellings {
  return {
    async record({ id, destination, notice, error }) {
      const values = [id, notice.data.id, destination, JSON.stringify(notice), error]
      await query(pool, 'alerts-record', RECORD, values)
    },
    async forget(olderThanMs) {
      await query(pool, 'alerts-forget', FORGET, [olderThanMs])
    },
    async nowMs() {
      const [clock] = await query<{ ms: number }>(pool, 'alerts-clock', CLOCK)
      return clock?.ms ?? 0
    },
    firing: () => query<FiringAlert>(pool, 'alerts-firing', FIRING),
    tellings: ({
      alerts = null,
      limit,
    }: {
      readonly alerts?: readonly string[] | null
      readonly limit: number
    }) => query<Telling>(pool, 'alerts-tellings', TELLINGS, [alerts, limit]),
  }
}

const RECORD = `
  insert into tappet.alert_told (id, alert, destination, body, attempts, error, taken)
  values ($1, $2, $3, $4, 1, $5, $5::text is null) on conflict do nothing`

const FORGET = `delete from tappet.alert_told where created_at < now() - $1::float8 * interval '1 ms'`

const CLOCK = 'select extract(epoch from clock_timestamp())::float8 * 1000 as ms'

const FIRING =
  'select id, kind, subject, message, since from tappet.alerts order by since desc, id desc limit 500'

const TELLINGS = `
  select id, destination, body as notice, state, attempts, error, created_at as "createdAt", at
    from (select id, alert, destination, body, attempts, error, created_at, ended_at as at,
                 case when taken then 'told' else 'given up' end as state from tappet.alert_told
          union all
          select id, alert, destination, body, attempts, error, created_at, due_at, 'waiting' from tappet.alert_notices) t
   where $1::text[] is null or alert = any ($1)
   order by created_at desc, id desc limit $2`
