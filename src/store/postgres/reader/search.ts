import type { Pool } from 'pg'
import type { Filter } from '../../../filter/filter.ts'
import type { Term } from '../../../filter/term.ts'
import {
  type Count,
  type Found,
  type ListedEvent,
  type ListedRun,
  MAX_COUNT,
  type Page,
} from '../../reader.ts'
import { filterSql } from '../filter-sql.ts'
import { ask, type Values, values } from './ask.ts'
import {
  countUpTo,
  EVENT_COLUMNS,
  type ListedEventRow,
  listEvents,
  listRuns,
  type ListedRunRow,
  RUN,
  toListedEvent,
  toListedRun,
} from './lists.ts'

/** How many rows one search reads at most where no index helps: some 150 ms. */
export const SCANNED = 10_000

/** What is read row by row: text within, and what is in another table. */
const SLOW: Readonly<Record<string, readonly string[]>> = {
  runs: ['text', 'data', 'trigger', 'type', 'source', 'subject', 'version'],
  events: ['text', 'data', 'function', 'trigger', 'type', 'source', 'subject'],
}

interface Split {
  readonly fast: Filter
  readonly slow: Filter | null
}

function split({ subject, terms }: Filter): Split {
  const isSlow = ({ field }: Term): boolean => SLOW[subject]?.includes(field) ?? false
  const slow = terms.filter(isSlow)
  const fast = { subject, terms: terms.filter((term) => !isSlow(term)) }
  return { fast, slow: slow.length === 0 ? null : { subject, terms: slow } }
}

const TABLES = { runs: 'tappet.runs r', events: 'tappet.events e' } as const

/** The newest rows that the fast terms find: the slow ones are asked of these only. */
function windowSql(fast: Filter, after: string | undefined, list: Values): string {
  const subject = fast.subject === 'events' ? 'events' : 'runs'
  const alias = subject === 'events' ? 'e' : 'r'
  const where = filterSql(fast, list.bind)
  const beyond = after === undefined ? '' : `and ${alias}.id < ${list.bind(after)}`
  return `from ${TABLES[subject]} where ${where} ${beyond} order by ${alias}.id desc`
}

export async function searchRuns(pool: Pool, page: Page): Promise<Found<ListedRun>> {
  const { fast, slow } = split(page.filter)
  if (slow === null) return whole(await listRuns(pool, page), page)
  const list = values()
  const text = `
    select ${RUN} from (select * ${windowSql(fast, page.after, list)} limit ${SCANNED}) r
     where ${filterSql(slow, list.bind)} order by r.id desc limit ${list.bind(page.limit)}`
  const rows = await ask<ListedRunRow>(pool, text, list)
  return bounded(pool, rows.map(toListedRun), fast, page)
}

export async function searchEvents(pool: Pool, page: Page): Promise<Found<ListedEvent>> {
  const { fast, slow } = split(page.filter)
  if (slow === null) return whole(await listEvents(pool, page), page)
  const list = values()
  const text = `
    select ${EVENT_COLUMNS} from (select * ${windowSql(fast, page.after, list)} limit ${SCANNED}) e
     where ${filterSql(slow, list.bind)} order by e.id desc limit ${list.bind(page.limit)}`
  const rows = await ask<ListedEventRow>(pool, text, list)
  return bounded(pool, rows.map(toListedEvent), fast, page)
}

function whole<T extends { readonly id: string }>(found: readonly T[], { limit }: Page): Found<T> {
  return { found, next: found.length === limit ? (found.at(-1)?.id ?? null) : null, partial: false }
}

/** Fewer than asked for: the end, or no more than the end of what was read. */
async function bounded<T extends { readonly id: string }>(
  pool: Pool,
  found: readonly T[],
  fast: Filter,
  page: Page,
): Promise<Found<T>> {
  if (found.length === page.limit) return whole(found, page)
  const list = values()
  const text = `select id ${windowSql(fast, page.after, list)} offset ${SCANNED - 1} limit 1`
  const [last] = await ask<{ id: string }>(pool, text, list)
  return { found, next: last?.id ?? null, partial: last !== undefined }
}

/** Where slow terms are asked, of the newest rows only. */
export async function searchCount(pool: Pool, filter: Filter): Promise<Count> {
  const { fast, slow } = split(filter)
  if (slow === null) {
    const found = await countUpTo(pool, filter, MAX_COUNT + 1)
    return { count: Math.min(found, MAX_COUNT), exact: found <= MAX_COUNT }
  }
  const list = values()
  const alias = filter.subject === 'events' ? 'e' : 'r'
  const text = `
    select (count(*) filter (where ${filterSql(slow, list.bind)}))::int as count, count(*)::int as read
      from (select * ${windowSql(fast, undefined, list)} limit ${SCANNED}) ${alias}`
  const [row] = await ask<{ count: number; read: number }>(pool, text, list)
  return { count: row?.count ?? 0, exact: (row?.read ?? 0) < SCANNED }
}
