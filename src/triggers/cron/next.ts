import { Cron } from 'croner'
import { TappetError } from '../../errors.ts'
import type { CronTrigger } from './declare.ts'
import { createWallClock } from './gap.ts'

/**
 * The instants that a cron expression names in a time zone. Day of month and day of week are alternatives when both are
 * given. An expression whose time fields have neither wildcard nor step is a *fixed time*: in a gap of the clock it
 * ticks at the first valid instant after, in an overlap once. Any other ticks whenever the clock on the wall matches.
 */
export interface Ticks {
  /** The first one later than the instant; null when there is none. */
  after(instant: Date): Date | null
  /** The last `count` ones that are not later than the instant, in order. */
  newest(instant: Date, count: number): readonly Date[]
}

const MAX_EXPRESSION = 1_000

/** @throws TappetError TPT_FUNCTION_INVALID: which field, what was expected, what came. */
export function parseCron(expression: string, timezone: string): Ticks {
  checkTimezone(timezone)
  checkFields(expression)
  const cron = compile(expression, timezone)
  const after = (instant: Date): Date | null => cron.nextRun(instant)
  if (after(new Date()) === null) throw invalid('a time that comes at some time', expression)
  const newest = (instant: Date, count: number): readonly Date[] => {
    const nextSecond = Math.floor(instant.getTime() / 1_000 + 1) * 1_000
    return cron.previousRuns(count, new Date(nextSecond)).toReversed()
  }
  const ticks = { after, newest }
  return isFixed(expression) ? withGaps(ticks, expression, timezone) : ticks
}

/**
 * croner loses a fixed time in a gap that ends at midnight, as in Nuuk from 2024 on: it looks for the first valid
 * instant on the same date, and there is none.
 */
function withGaps(ticks: Ticks, expression: string, timezone: string): Ticks {
  const clock = createWallClock(timezone)
  const onTheWall = compile(expression, 'UTC')
  const after = (instant: Date): Date | null => {
    const found = ticks.after(instant)
    const wall = onTheWall.nextRun(new Date(clock.wallOf(instant)))
    const end = wall && clock.endOfGap(wall.getTime())
    return end && end > instant && (found === null || end < found) ? end : found
  }
  return {
    after,
    newest(instant, count) {
      const [oldest] = ticks.newest(instant, count)
      if (!oldest) return []
      // One more in each gap that croner has overlooked.
      return ticksBetween({ ...ticks, after }, oldest, instant, 2 * count).slice(-count)
    },
  }
}

/** Neither wildcard nor step in the fields of the time. Nicknames name no time but midnight and the full hours. */
function isFixed(expression: string): boolean {
  const fields = expression.trim().split(/\s+/)
  return fields.length >= 5 && !/[*/?]/.test(fields.slice(0, -3).join(' '))
}

/** Ticks from `from` to `until`, both included, in order; the first `max` of them. */
export function ticksBetween(ticks: Ticks, from: Date, until: Date, max: number): readonly Date[] {
  const found: Date[] = []
  let tick = ticks.after(new Date(from.getTime() - 1))
  while (tick !== null && tick <= until && found.length < max) {
    found.push(tick)
    tick = ticks.after(tick)
  }
  return found
}

/** A tick that is later than this has been missed. It covers the loss of a connection and the restart of a server. */
export const GRACE_MS = 5_000
/** Most ticks that one catch-up fires. */
export const MAX_CATCH_UP = 100
/** Ticks that were left out are counted up to here: counting the seconds of a year would take minutes. */
const MAX_COUNTED = 1_000

export interface Due {
  /** The first tick that has not been decided yet. */
  readonly next: Date
  readonly now: Date
  readonly catchUp: CronTrigger['catchUp']
  readonly windowMs: number
}

export interface Decision {
  /** In order. */
  readonly fire: readonly Date[]
  readonly skipped: number
  readonly next: Date | null
  /** Those that nobody decided within {@link GRACE_MS}; null: all were on time. */
  readonly missed: { readonly first: Date; readonly last: Date; readonly count: number } | null
}

/**
 * Which of the ticks up to now make an event. Those within the grace always do. Of those that were missed: none
 * (`skip`), the newest within the window unless a later one is on time (`latest`), or the newest 100 within it (`all`).
 */
export function decide(ticks: Ticks, { next, now, catchUp, windowMs }: Due): Decision {
  const counted = ticksBetween(ticks, next, now, MAX_COUNTED)
  const due = counted.length < MAX_COUNTED ? counted : ticks.newest(now, MAX_CATCH_UP)
  const ageMs = (tick: Date): number => now.getTime() - tick.getTime()
  const onTime = due.filter((tick) => ageMs(tick) <= GRACE_MS)
  const late = due.filter((tick) => ageMs(tick) > GRACE_MS)
  const caughtUp = late.filter((tick) => ageMs(tick) <= windowMs)
  const fire = {
    skip: onTime,
    latest: onTime.length > 0 ? onTime : caughtUp.slice(-1),
    all: [...caughtUp, ...onTime].slice(-MAX_CATCH_UP),
  }[catchUp]
  const [first = next, last] = [counted[0], late.at(-1)]
  const missed = last ? { first, last, count: counted.length - onTime.length } : null
  return { fire, skipped: counted.length - fire.length, next: ticks.after(now), missed }
}

const FIELDS = [
  ['second', '0-59'],
  ['minute', '0-59'],
  ['hour', '0-23'],
  ['day of month', '1-31 or L'],
  ['month', '1-12 or JAN-DEC'],
  ['day of week', '0-7 or SUN-SAT'],
] as const

/** Tries each field by itself, so that the message can name the one that is wrong. */
function checkFields(expression: string): void {
  if (typeof expression !== 'string') throw invalid('text', String(expression))
  if (expression.length > MAX_EXPRESSION) throw invalid(`at most ${MAX_EXPRESSION} characters`, expression)
  const fields = expression.trim().split(/\s+/)
  if (fields.length === 1 && expression.trim().startsWith('@')) return checkNickname(expression.trim())
  if (fields.length !== 5 && fields.length !== 6) {
    throw invalid(
      '5 fields (minute hour day-of-month month day-of-week), 6 with seconds in front',
      expression,
    )
  }
  const named = FIELDS.slice(-fields.length)
  fields.forEach((field, i) => {
    const [name, values] = named[i] ?? ['field', '']
    const alone = fields.map((_, place) => (place === i ? field : '*')).join(' ')
    if (!compiles(alone))
      throw invalid(`${name} of ${values}, lists (1,2), ranges (1-5) or steps (*/10)`, field)
  })
}

function checkNickname(name: string): void {
  const known = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']
  if (!known.includes(name.toLowerCase()) || !compiles(name))
    throw invalid(`one of ${known.join(', ')}`, name)
}

function checkTimezone(timezone: string): void {
  try {
    if (!/^[A-Za-z]/.test(timezone)) throw new RangeError('not a name')
    Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch (cause) {
    const message = `\`timezone\` must be an IANA name like 'Europe/Berlin', got ${quote(timezone)}`
    throw new TappetError('TPT_FUNCTION_INVALID', message, { cause })
  }
}

function compiles(expression: string): boolean {
  try {
    return Boolean(compile(expression, 'UTC'))
  } catch {
    return false
  }
}

function compile(expression: string, timezone: string): Cron {
  return new Cron(expression, { timezone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard', paused: true })
}

function invalid(expected: string, got: string): TappetError {
  return new TappetError('TPT_FUNCTION_INVALID', `cron expression: expected ${expected}, got ${quote(got)}`)
}

function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)
}
