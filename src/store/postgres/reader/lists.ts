import type { Pool } from 'pg'
import type { Filter } from '../../../filter/filter.ts'
import type { LogLine } from '../../../runtime/runtime.ts'
import type { RunState } from '../../run-state.ts'
import { type ListedEvent, type ListedLog, type ListedRun, type Page } from '../../reader.ts'
import { filterSql } from '../filter-sql.ts'
import { type RunRow, toRun } from '../rows.ts'
import { type Values, values, ask } from './ask.ts'

export const RUN = `r.id, r.function_id, r.event, r.state, r.trigger, r.attempt, r.max_attempts, r.lease, r.losses, r.worker,
  r.held, r.due_at, r.created_at, r.started_at, r.finished_at, r.failure, r.fingerprint, r.bulk`

export type ListedRunRow = RunRow & Pick<ListedRun, 'fingerprint' | 'bulk'>

export async function listRuns(
  pool: Pool,
  page: Page,
  order: 'newest' | 'oldest' = 'newest',
): Promise<ListedRun[]> {
  const list = values()
  const where = pageSql(page, 'r.id', list, order)
  const direction = order === 'newest' ? 'desc' : 'asc'
  const text = `
    select ${RUN} from tappet.runs r where ${where} order by r.id ${direction} limit ${list.bind(page.limit)}`
  const rows = await ask<ListedRunRow>(pool, text, list)
  return rows.map(toListedRun)
}

export function toListedRun(row: ListedRunRow): ListedRun {
  const { result: _, ...run } = toRun(row)
  return { ...run, fingerprint: row.fingerprint, bulk: row.bulk }
}

export interface ListedEventRow {
  readonly id: string
  readonly event_id: string
  readonly source: string
  readonly type: string
  readonly subject: string | null
  readonly time: string
  readonly received_at: Date
  readonly cause: string | null
  readonly bytes: number
  readonly runs: readonly { id: string; functionId: string; state: RunState }[]
}

/** At most 100 runs of each: an event may have as many as there are functions. */
export const EVENT_COLUMNS = `
  e.id, e.event_id, e.source, e.type, e.subject, e.time, e.received_at, e.cause, octet_length(e.payload::text) as bytes,
  coalesce((select json_agg(json_build_object('id', x.id, 'functionId', x.function_id, 'state', x.state))
     from (select id, function_id, state from tappet.runs where event = e.id order by id limit 100) x), '[]') as runs`

export function toListedEvent(row: ListedEventRow): ListedEvent {
  const { event_id: eventId, received_at: receivedAt, ...rest } = row
  return { ...rest, eventId, receivedAt }
}

export async function listEvents(pool: Pool, page: Page): Promise<ListedEvent[]> {
  const list = values()
  const where = pageSql(page, 'e.id', list)
  const text = `
    select ${EVENT_COLUMNS} from tappet.events e where ${where} order by e.id desc limit ${list.bind(page.limit)}`
  return (await ask<ListedEventRow>(pool, text, list)).map(toListedEvent)
}

function pageSql({ filter, after }: Page, id: string, list: Values, order = 'newest'): string {
  const where = filterSql(filter, list.bind)
  const beyond = order === 'newest' ? '<' : '>'
  return after === undefined ? where : `${where} and ${id} ${beyond} ${list.bind(after)}`
}

const TABLES = { runs: 'tappet.runs r', events: 'tappet.events e', logs: 'tappet.logs l' } as const

export async function countUpTo(pool: Pool, filter: Filter, most: number): Promise<number> {
  const list = values()
  const where = filterSql(filter, list.bind)
  const text = `select count(*)::int as count from (
    select from ${TABLES[filter.subject]} where ${where} limit ${list.bind(most)}) found`
  const [row] = await ask<{ count: number }>(pool, text, list)
  return row?.count ?? 0
}

interface LogRow {
  readonly seq: string
  readonly run: string
  readonly attempt: number
  readonly time: Date
  readonly level: LogLine['level']
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>> | null
}

export async function listLogs(
  pool: Pool,
  page: {
    readonly filter: Filter
    readonly limit: number
    readonly after?: string
    readonly before?: string
  },
): Promise<ListedLog[]> {
  const { filter, limit, after, before } = page
  const list = values()
  const where = [filterSql(filter, list.bind)]
  if (after !== undefined) where.push(`l.seq > ${list.bind(after)}`)
  if (before !== undefined) where.push(`l.seq < ${list.bind(before)}`)
  const order = after === undefined ? 'desc' : 'asc'
  const text = `
    select l.seq::text, l.run, l.attempt, l.time, l.level, l.message, l.fields from tappet.logs l
     where ${where.join(' and ')} order by l.seq ${order} limit ${list.bind(limit)}`
  const rows = await ask<LogRow>(pool, text, list)
  return rows.map(({ run, time, ...rest }) => ({ runId: run, time: time.toISOString(), ...rest }))
}
