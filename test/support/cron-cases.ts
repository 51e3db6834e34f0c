import assert from 'node:assert/strict'
import { parseCron, ticksBetween } from '../../src/triggers/cron/next.ts'
import { type Dice } from '../chaos/dice.ts'
import { type Fields, oracleTicks } from './cron-oracle.ts'

export const ZONES = [
  'UTC',
  'America/New_York',
  'America/Los_Angeles',
  'America/St_Johns',
  'America/Havana',
  'America/Santiago',
  'America/Nuuk',
  'America/Sao_Paulo',
  'America/Asuncion',
  'America/Mexico_City',
  'Europe/Berlin',
  'Europe/London',
  'Europe/Dublin',
  'Europe/Chisinau',
  'Europe/Istanbul',
  'Atlantic/Azores',
  'Africa/Cairo',
  'Africa/Casablanca',
  'Asia/Amman',
  'Asia/Beirut',
  'Asia/Gaza',
  'Asia/Jerusalem',
  'Asia/Tehran',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Asia/Tokyo',
  'Australia/Adelaide',
  'Australia/Lord_Howe',
  'Australia/Sydney',
  'Pacific/Apia',
  'Pacific/Auckland',
  'Pacific/Chatham',
  'Pacific/Easter',
  'Pacific/Norfolk',
  'Antarctica/Troll',
] as const

const DAY = 86_400_000
/** Before, some clocks changed at a minute past midnight; the oracle knows full quarters of an hour only. */
const FIRST_DAY = Date.UTC(2012, 0, 1) / DAY
const LAST_DAY = Date.UTC(2036, 0, 1) / DAY
/** The oracle walks this far; an expression that names no day within it must name none here either. */
const SPAN_MS = 1.5 * DAY
const MAX_TICKS = 20_000

export interface Case {
  readonly fields: Fields
  readonly expression: string
  readonly zone: string
  readonly instant: Date
}

/** A random expression, zone and instant; three of four instants are around a change of the zone's clock. */
export function rollCase(dice: Dice): Case {
  const zone = dice.pick(ZONES)
  const changes = changesOf(zone)
  const nearChange = changes.length > 0 && dice.next() < 0.75
  const day = nearChange ? dice.pick(changes) : dice.between(FIRST_DAY, LAST_DAY)
  const instant = new Date(day * DAY - dice.between(0, DAY / 2_000 - 1) * 1_000)
  const fields = rollFields(dice)
  const { second, minute, hour, dom, month = '*', dow } = fields
  const five = `${minute} ${hour} ${dom} ${month} ${dow}`
  return { fields, zone, instant, expression: second === undefined ? five : `${second} ${five}` }
}

/** @throws AssertionError when the ticks from the instant on, or back from the end, are not the oracle's. */
export function checkCase({ fields, expression, zone, instant }: Case): void {
  const until = new Date(instant.getTime() + SPAN_MS)
  const cron = parseCron(expression, zone)
  const expected = oracleTicks(fields, zone, instant, until)
  const name = `\`${expression}\` in ${zone} from ${instant.toISOString()}`
  assert.deepEqual(ticksBetween(cron, instant, until, MAX_TICKS), expected, name)
  const newest = expected.slice(-5)
  assert.deepEqual(cron.newest(until, newest.length), newest, `backwards: ${name}`)
}

function rollFields(dice: Dice): Fields {
  const isFixed = dice.next() < 0.5
  const time = isFixed ? rollFixed(dice) : rollInterval(dice)
  const anyDay = dice.next() < 0.6
  const dom = anyDay || dice.next() < 0.4 ? '*' : numbers(dice, 1, 31)
  const dow = anyDay || dice.next() < 0.4 ? '*' : dice.pick(['0', '1-5', '6', numbers(dice, 0, 6), '*'])
  const month = dice.next() < 0.8 ? '*' : dice.pick(['3,4', '9-11', '1-12', '2-10', '3-11'])
  return { ...time, dom, month, dow }
}

/** Changes of clocks are at night: so are most of the hours. */
function rollHour(dice: Dice): string {
  return dice.next() < 0.7 ? numbers(dice, 0, 4) : numbers(dice, 0, 23)
}

function rollFixed(dice: Dice): Pick<Fields, 'second' | 'minute' | 'hour'> {
  const minute = dice.next() < 0.8 ? numbers(dice, 0, 59) : range(dice, 0, 59)
  const hour = dice.next() < 0.8 ? rollHour(dice) : range(dice, 0, 5)
  return dice.next() < 0.2 ? { second: numbers(dice, 0, 59), minute, hour } : { minute, hour }
}

function rollInterval(dice: Dice): Pick<Fields, 'second' | 'minute' | 'hour'> {
  const every = dice.pick(['*', '*/5', '*/7', '*/15', '*/20', '5-55/10', '3-33/7'])
  const shapes = [
    { minute: every, hour: dice.pick(['*', '*/2', '*/3', '0-4/2', rollHour(dice)]) },
    { minute: numbers(dice, 0, 59), hour: dice.pick(['*', '*/2', '*/3', '1-23/2']) },
    { second: dice.pick(['*/30', '0-59/20', '7']), minute: '*/20', hour: rollHour(dice) },
  ]
  return dice.pick(shapes)
}

function numbers(dice: Dice, low: number, high: number): string {
  const list = Array.from({ length: dice.between(1, 3) }, () => dice.between(low, high))
  return [...new Set(list)].toSorted((a, b) => a - b).join()
}

function range(dice: Dice, low: number, high: number): string {
  const from = dice.between(low, high - 1)
  return `${from}-${dice.between(from, high)}`
}

const known = new Map<string, readonly number[]>()

/** Days since 1970 on which the zone's offset changes. */
function changesOf(zone: string): readonly number[] {
  const found = known.get(zone)
  if (found) return found
  const offset = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' })
  const at = (day: number): string => offset.format(day * DAY).split(', ')[1] ?? ''
  const offsets = Array.from({ length: LAST_DAY - FIRST_DAY }, (_, i) => at(FIRST_DAY + i))
  const changes = offsets.flatMap((own, i) => (own !== (offsets[i + 1] ?? own) ? [FIRST_DAY + i] : []))
  known.set(zone, changes)
  return changes
}
