/** Fields of an expression in the grammar of the oracle: `*`, `*\/n`, lists of numbers, `a-b` and `a-b/n`. */
export interface Fields {
  /** Default `0`, as in an expression of five fields. */
  readonly second?: string
  readonly minute: string
  readonly hour: string
  readonly dom: string
  /** Default `*`. */
  readonly month?: string
  readonly dow: string
}

interface Wall {
  readonly date: string
  readonly day: number
  readonly month: number
  readonly weekday: number
  /** Since midnight. */
  readonly minutes: number
}

const MINUTE = 60_000
/** Clocks change at a full quarter of an hour, so that one look at Intl serves fifteen minutes. */
const QUARTER = 15 * MINUTE
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

/**
 * Ticks by brute force, sharing nothing with the code under test: every minute of the span is put on the clock on the
 * wall by Intl. A fixed time is looked for on each date, and one that no minute of the date shows falls on the first
 * minute after the gap.
 */
export function oracleTicks(fields: Fields, zone: string, from: Date, until: Date): Date[] {
  const isInterval = /[*/]/.test(`${fields.second ?? 0} ${fields.minute} ${fields.hour}`)
  const ticks = isInterval ? intervalTicks(fields, zone, from, until) : fixedTicks(fields, zone, from, until)
  return [...new Set(ticks)]
    .toSorted((a, b) => a - b)
    .filter((tick) => tick >= from.getTime() && tick <= until.getTime())
    .map((tick) => new Date(tick))
}

function intervalTicks(fields: Fields, zone: string, from: Date, until: Date): number[] {
  const seconds = wantedSeconds(fields)
  return minutesOf(zone, from.getTime() - QUARTER, until.getTime())
    .filter(
      ({ wall }) =>
        matchesDay(fields, wall) &&
        matches(fields.minute, wall.minutes % 60) &&
        matches(fields.hour, Math.floor(wall.minutes / 60)),
    )
    .flatMap(({ instant }) => seconds.map((second) => instant + second * 1_000))
}

function fixedTicks(fields: Fields, zone: string, from: Date, until: Date): number[] {
  // More than the longest date, so that only whole ones are left when the first and the last are dropped.
  const margin = 30 * 60 * MINUTE
  const seconds = wantedSeconds(fields)
  const minutes = minutesOf(zone, from.getTime() - margin, until.getTime() + margin)
  const dates = new Map<string, { instant: number; wall: Wall }[]>()
  for (const minute of minutes) {
    const sameDate = dates.get(minute.wall.date)
    if (sameDate) sameDate.push(minute)
    else dates.set(minute.wall.date, [minute])
  }
  return [...dates.values()].slice(1, -1).flatMap((date) => {
    const [first] = date
    if (!first || !matchesDay(fields, first.wall)) return []
    return wantedMinutes(fields).flatMap((wanted) => {
      const exact = date.find(({ wall }) => wall.minutes === wanted)
      if (exact) return seconds.map((second) => exact.instant + second * 1_000)
      const after = date.find(({ wall }) => wall.minutes > wanted)
      return [after?.instant ?? (date.at(-1)?.instant ?? 0) + MINUTE]
    })
  })
}

function wantedSeconds({ second = '0' }: Fields): number[] {
  return Array.from({ length: 60 }, (_, i) => i).filter((at) => matches(second, at))
}

function wantedMinutes({ minute, hour }: Fields): number[] {
  const all = Array.from({ length: 1_440 }, (_, i) => i)
  return all.filter((at) => matches(minute, at % 60) && matches(hour, Math.floor(at / 60)))
}

const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known) return known
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
  formats.set(zone, format)
  return format
}

function minutesOf(zone: string, fromMs: number, untilMs: number): { instant: number; wall: Wall }[] {
  const format = formatOf(zone)
  const found: { instant: number; wall: Wall }[] = []
  for (let quarter = Math.ceil(fromMs / QUARTER) * QUARTER; quarter <= untilMs; quarter += QUARTER) {
    const [weekday = '', day = '', month = '', year = '', hour = '', minute = ''] =
      format.format(quarter).match(/\w+/g) ?? []
    const date = {
      date: `${year}-${month}-${day}`,
      day: Number(day),
      month: Number(month),
      weekday: WEEKDAYS.indexOf(weekday),
    }
    const minutes = Number(hour) * 60 + Number(minute)
    for (let i = 0; i < 15; i++) {
      found.push({ instant: quarter + i * MINUTE, wall: { ...date, minutes: minutes + i } })
    }
  }
  return found
}

/** Both given: one of them is enough. */
function matchesDay({ dom, month = '*', dow }: Fields, { day, month: at, weekday }: Wall): boolean {
  if (!matches(month, at)) return false
  if (dom === '*') return matches(dow, weekday)
  if (dow === '*') return matches(dom, day)
  return matches(dom, day) || matches(dow, weekday)
}

const compiled = new Map<string, ReadonlySet<number>>()

function matches(field: string, value: number): boolean {
  const known = compiled.get(field)
  if (known) return known.has(value)
  const values = new Set(Array.from({ length: 60 }, (_, i) => i).filter((i) => contains(field, i)))
  compiled.set(field, values)
  return values.has(value)
}

function contains(field: string, value: number): boolean {
  return field.split(',').some((part) => {
    if (part === '*') return true
    if (part.startsWith('*/')) return value % Number(part.slice(2)) === 0
    const [range = '', step = '1'] = part.split('/')
    const [low = NaN, high = low] = range.split('-').map(Number)
    return value >= low && value <= high && (value - low) % Number(step) === 0
  })
}
