import type { Pool } from 'pg'
import { type Bulk, type Bulks, type BulkTurn, STEP_MS } from '../bulks.ts'
import { query } from './pool.ts'

interface BulkRow {
  readonly id: string
  readonly action: Bulk['action']
  readonly filter: string
  readonly state: Bulk['state']
  readonly rate: number
  readonly total: number
  readonly done: number
  readonly skipped: number
  readonly cursor: string
  readonly reason: string | null
  readonly created_at: Date
  readonly created_by: string
  readonly finished_at: Date | null
}

const COLUMNS =
  'id, action, filter, state, rate, total, done, skipped, cursor, reason, created_at, created_by, finished_at'

const CREATE = `
  insert into tappet.bulks (id, action, filter, rate, total, reason, created_by, cursor)
  values ($1, $2, $3, $4, $5, $6, $7, '') returning ${COLUMNS}`

const LIST = `
  select ${COLUMNS} from tappet.bulks where $2::text is null or id < $2 order by id desc limit $1`

const STOP = `
  update tappet.bulks set finished_at = case when state = 'running' then now() else finished_at end,
         state = case when state = 'running' then 'stopped' else state end
   where id = $1 returning ${COLUMNS}`

const TAKE = `
  update tappet.bulks set next_at = now() + ${STEP_MS} * interval '1 ms'
   where id = (select id from tappet.bulks where state = 'running' and next_at <= now()
                order by next_at limit 1 for update skip locked)
  returning ${COLUMNS}`

/** What a replay has touched is dead or cancelled no more, and what a cancel has touched is over. */
const UNCOUNTED = `
  select count(*)::int as count from tappet.runs
   where bulk = $1 and id > $2 and case when $3 = 'replay' then state not in ('dead', 'cancelled')
         else state = 'cancelled' end`

const ADVANCE = `
  update tappet.bulks set cursor = $3, done = done + $4, skipped = skipped + $5,
         next_at = now() + $7::float8 * interval '1 ms',
         state = case when $6 and state = 'running' then 'done' else state end,
         finished_at = case when $6 and state = 'running' then now() else finished_at end
   where id = $1 and cursor = $2`

/** The ledger's bulk actions. The pool stays its owner's. */
export function createPostgresBulks(pool: Pool): Bulks {
  const one = async (name: string, text: string, values: readonly unknown[]): Promise<BulkRow | null> =>
    (await query<BulkRow>(pool, name, text, [...values]))[0] ?? null
  return {
    async create({ id, action, filter, rate, total, reason, createdBy }) {
      const values = [id, action, filter, rate, total, reason, createdBy]
      return toBulk((await one('bulk-create', CREATE, values)) as BulkRow)
    },
    async show(id) {
      const row = await one('bulk-show', `select ${COLUMNS} from tappet.bulks where id = $1`, [id])
      return row && toBulk(row)
    },
    async list(limit, before) {
      return (await query<BulkRow>(pool, 'bulk-list', LIST, [limit, before ?? null])).map(toBulk)
    },
    async stop(id) {
      const row = await one('bulk-stop', STOP, [id])
      return row && toBulk(row)
    },
    async take() {
      const row = await one('bulk-take', TAKE, [])
      return row && toTurn(row)
    },
    async mark(id, runIds) {
      const text = 'update tappet.runs set bulk = $1 where id = any($2::text[])'
      await query(pool, 'bulk-mark', text, [id, runIds])
    },
    async uncounted({ id, cursor, action }) {
      const [row] = await query<{ count: number }>(pool, 'bulk-uncounted', UNCOUNTED, [id, cursor, action])
      return row?.count ?? 0
    },
    async advance({ id, from, cursor, done, skipped, over, pauseMs }) {
      await query(pool, 'bulk-advance', ADVANCE, [id, from, cursor, done, skipped, over, pauseMs])
    },
  }
}

function toBulk({ created_at, created_by, finished_at, cursor: _, ...row }: BulkRow): Bulk {
  return { ...row, createdAt: created_at, createdBy: created_by, finishedAt: finished_at }
}

function toTurn(row: BulkRow): BulkTurn {
  return { ...toBulk(row), cursor: row.cursor }
}
