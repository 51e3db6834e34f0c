import { costOf, type Rates } from '../../api/prices.ts'
import { plus, type Took } from '../../store/took.ts'

/** What a function took on one day (UTC), as `GET /usage` answers it, as far as the page shows it. */
export interface Day extends Took {
  readonly day: string
  readonly functionId: string
}

/** What all of it would have cost at one cloud. */
export interface Cost {
  readonly cloud: string
  readonly usd: number
  readonly rates: Rates
  readonly of: string
  readonly source: string
  readonly note: string | null
}

/** What a line of the table stands for. */
export const GROUPINGS = ['function', 'day', 'function and day'] as const
export type Grouping = (typeof GROUPINGS)[number]

/** Days taken together: `day` or `functionId` is empty where they differ. */
export type Row = Day

const NOTHING: Omit<Row, 'day' | 'functionId'> = {
  ...{ attempts: 0, failed: 0, cold: 0, busyMs: 0, failedMs: 0 },
  ...{ billedMs: 0, gbSeconds: 0, cpuMs: 0, peakKb: 0 },
}

/** One row a function, or one a day with the newest first, or one for both. */
export function groupBy(days: readonly Day[], by: Grouping): readonly Row[] {
  const rows = new Map<string, Row>()
  for (const each of days) {
    const day = by === 'function' ? '' : each.day
    const functionId = by === 'day' ? '' : each.functionId
    const key = JSON.stringify([day, functionId])
    rows.set(key, plus(rows.get(key) ?? { ...NOTHING, day, functionId }, each))
  }
  return [...rows.values()].toSorted(
    (a, b) => compare(b.day, a.day) || b.gbSeconds - a.gbSeconds || compare(a.functionId, b.functionId),
  )
}

export function total(days: readonly Day[]): Row {
  return days.reduce<Row>(plus, { ...NOTHING, day: '', functionId: '' })
}

/** What a row would have cost, in US dollars. */
export const usdOf = (row: Row, rates: Rates): number => costOf(row, rates)

/** The last `most` days up to the newest that is there, oldest first: those without a call as well. */
export function everyDay(days: readonly Day[], most: number): readonly Row[] {
  const byDay = new Map(groupBy(days, 'day').map((row) => [row.day, row]))
  const newest = Date.parse([...byDay.keys()].toSorted().at(-1) ?? '')
  if (Number.isNaN(newest)) return []
  return Array.from({ length: most }, (_, i) => {
    const day = new Date(newest - (most - 1 - i) * 86_400_000).toISOString().slice(0, 10)
    return byDay.get(day) ?? { ...NOTHING, day, functionId: '' }
  })
}

const COLUMNS = [
  ...['day', 'functionId', 'attempts', 'failed', 'cold', 'billedMs', 'gbSeconds', 'cpuMs', 'peakKb'],
] as (keyof Row)[]

/** RFC 4180, with a column for what each row would have cost. */
export function toCsv(rows: readonly Row[], { cloud, rates }: Pick<Cost, 'cloud' | 'rates'>): string {
  const head = [...COLUMNS, `usd (${cloud})`]
  const lines = rows.map((row) => [...COLUMNS.map((name) => String(row[name])), String(usdOf(row, rates))])
  return [head, ...lines].map((cells) => `${cells.map(quote).join(',')}\r\n`).join('')
}

function quote(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
