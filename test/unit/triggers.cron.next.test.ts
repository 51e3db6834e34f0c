import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TappetError } from '../../src/errors.ts'
import { decide, GRACE_MS, MAX_CATCH_UP, parseCron, ticksBetween } from '../../src/triggers/cron/next.ts'
import { rollDice } from '../chaos/dice.ts'
import { checkCase, rollCase } from '../support/cron-cases.ts'

const DAY = 86_400_000

function ticks(expression: string, timezone: string, from: string, days = 2): string[] {
  const start = new Date(from)
  const found = ticksBetween(
    parseCron(expression, timezone),
    start,
    new Date(start.getTime() + days * DAY),
    1_000,
  )
  return found.map((tick) => tick.toISOString().slice(0, 16))
}

const FIXED_IN_A_GAP: [string, string, string, string][] = [
  ['30 2 * * *', 'America/New_York', '2026-03-08T00:00Z', '2026-03-08T07:00'],
  ['30 2,14 * * *', 'America/New_York', '2026-03-08T00:00Z', '2026-03-08T07:00'],
  ['30 2 * * *', 'Europe/Berlin', '2026-03-29T00:00Z', '2026-03-29T01:00'],
  ['15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T12:00Z', '2026-10-03T15:30'],
  ['30 0 * * *', 'America/Havana', '2026-03-08T00:00Z', '2026-03-08T05:00'],
  ['0 3 * * *', 'Pacific/Chatham', '2026-09-26T10:00Z', '2026-09-26T14:00'],
  ['0 0 * * *', 'Africa/Cairo', '2026-04-23T21:00Z', '2026-04-23T22:00'],
  ['41-48 23 * * *', 'America/Nuuk', '2026-03-28T12:00Z', '2026-03-29T01:00'],
]

for (const [expression, zone, from, first] of FIXED_IN_A_GAP) {
  test(`${expression} in the gap of ${zone} ticks once, at the first valid instant`, () => {
    const found = ticks(expression, zone, from)
    assert.equal(found[0], first)
    assert.equal(found.filter((tick) => tick === first).length, 1)
    assert.ok(Date.parse(`${found[1]}Z`) - Date.parse(`${first}Z`) > 3_600_000, found.join())
  })
}

const FIXED_IN_AN_OVERLAP: [string, string, string, string][] = [
  ['30 1 * * *', 'America/New_York', '2026-11-01T00:00Z', '2026-11-01T05:30'],
  ['30 2 * * *', 'Europe/Berlin', '2026-10-24T22:00Z', '2026-10-25T00:30'],
  ['45 1 * * *', 'Australia/Lord_Howe', '2026-04-04T12:00Z', '2026-04-04T14:45'],
  ['30 0 * * *', 'America/Havana', '2026-11-01T00:00Z', '2026-11-01T04:30'],
  ['0 3 * * *', 'Pacific/Chatham', '2026-04-04T10:00Z', '2026-04-04T13:15'],
  ['30 23 * * *', 'Africa/Cairo', '2026-10-29T12:00Z', '2026-10-29T20:30'],
]

for (const [expression, zone, from, first] of FIXED_IN_AN_OVERLAP) {
  test(`${expression} in the overlap of ${zone} ticks once`, () => {
    const found = ticks(expression, zone, from)
    assert.equal(found[0], first)
    assert.ok(Date.parse(`${found[1]}Z`) - Date.parse(`${first}Z`) > 23 * 3_600_000, found.join())
  })
}

test('interval fields tick in both hours of an overlap, and in none of a gap', () => {
  assert.deepEqual(ticks('*/30 1 * * *', 'America/New_York', '2026-11-01T00:00Z', 1), [
    '2026-11-01T05:00',
    '2026-11-01T05:30',
    '2026-11-01T06:00',
    '2026-11-01T06:30',
  ])
  assert.deepEqual(ticks('*/30 2 * * *', 'America/New_York', '2026-03-08T00:00Z', 1), [])
  assert.equal(ticks('0 * * * *', 'America/New_York', '2026-03-08T05:00Z', 1).length, 25)
})

test('day of month and day of week are alternatives', () => {
  assert.deepEqual(
    ticks('0 12 13 * FRI', 'UTC', '2026-02-01T00:00Z', 28).map((tick) => tick.slice(8, 10)),
    ['06', '13', '20', '27'],
  )
  assert.deepEqual(
    ticks('0 12 13 * 1', 'UTC', '2026-01-10T00:00Z', 7).map((tick) => tick.slice(8, 10)),
    ['12', '13'],
  )
})

test('names, nicknames, six fields and the usual extensions are understood', () => {
  for (const expression of ['@daily', '@Hourly', '@weekly', '@monthly', '@yearly', '@midnight'])
    parseCron(expression, 'UTC')
  assert.deepEqual(ticks('0 30 6 * jan-MAR mon', 'UTC', '2026-03-30T00:00Z', 1), ['2026-03-30T06:30'])
  assert.deepEqual(ticks('0 0 L 2 *', 'UTC', '2026-02-01T00:00Z', 40), ['2026-02-28T00:00'])
  assert.equal(ticksBetween(parseCron('*/7 * * * * *', 'UTC'), new Date(0), new Date(59_000), 99).length, 9)
})

test('an expression has at most 1,000 characters', () => {
  const longest = `${'0,'.repeat(495)}0 * * * * `
  assert.equal(longest.length, 1_000)
  assert.ok(parseCron(longest, 'UTC'))
  assert.throws(() => parseCron(`${longest} `, 'UTC'), { message: /expected at most 1000 characters/ })
})

test('what is not a schedule is refused with field, expected and got', () => {
  const cases: [string, string, RegExp][] = [
    ['60 * * * *', 'UTC', /expected minute of 0-59.*got "60"/],
    ['* 24 * * *', 'UTC', /expected hour of 0-23.*got "24"/],
    ['61 * * * * *', 'UTC', /expected second of 0-59.*got "61"/],
    ['* * 32 * *', 'UTC', /expected day of month of 1-31.*got "32"/],
    ['* * * FOO *', 'UTC', /expected month of 1-12 or JAN-DEC.*got "FOO"/],
    ['* * * * 8', 'UTC', /expected day of week of 0-7 or SUN-SAT.*got "8"/],
    ['*/0 * * * *', 'UTC', /expected minute.*got "\*\/0"/],
    ['* * * *', 'UTC', /expected 5 fields.*got "\* \* \* \*"/],
    ['* * * * * * *', 'UTC', /expected 5 fields/],
    ['', 'UTC', /expected 5 fields.*got ""/],
    ['2026-01-01T00:00:00', 'UTC', /expected 5 fields/],
    ['@reboot', 'UTC', /expected one of @yearly/],
    ['@often', 'UTC', /expected one of @yearly/],
    ['0 0 30 2 *', 'UTC', /expected a time that comes at some time, got "0 0 30 2 \*"/],
    ['0 0 31 4,6,9,11 *', 'UTC', /comes at some time/],
    ['x'.repeat(10_000), 'UTC', /expected at most 1000 characters, got "x{100}…"/],
    ['０ * * * *', 'UTC', /expected minute/],
    ['* * * * *', 'Mars/Olympus', /`timezone` must be an IANA name.*got "Mars\/Olympus"/],
    ['* * * * *', '', /`timezone` must be an IANA name.*got ""/],
    ['* * * * *', '+02:00', /`timezone` must be an IANA name/],
  ]
  for (const [expression, zone, message] of cases) {
    assert.throws(
      () => parseCron(expression, zone),
      (error) =>
        error instanceof TappetError && error.code === 'TPT_FUNCTION_INVALID' && message.test(error.message),
      `${expression.slice(0, 50)} ${zone}`,
    )
  }
})

/** All 50,000 by `npm run cron-oracle`. */
const CASES = 500

test('random expressions, mostly around changes of the clock, agree with walking through the minutes', () => {
  const dice = rollDice(20_261_126)
  for (let i = 0; i < CASES; i++) checkCase(rollCase(dice))
})

const minutely = fc.constantFrom('* * * * *', '0 * * * *', '30 2 * * *', '*/20 1-3 * * *')
const pauses = fc.record({
  catchUp: fc.constantFrom('skip', 'latest', 'all'),
  windowMs: fc.integer({ min: 0, max: 2 * 3_600_000 }),
  nowMs: fc.integer({ min: Date.UTC(2026, 2, 28), max: Date.UTC(2026, 2, 30) }),
})
const paused = fc.oneof(
  fc.tuple(
    fc.constant('* * * * * *'),
    fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 1_500_000 })),
  ),
  fc.tuple(minutely, fc.oneof(fc.integer({ min: 0, max: 200_000 }), fc.integer({ min: 0, max: DAY }))),
)

test('decide: what fires, what is left out, what comes next', () => {
  fc.assert(
    fc.property(pauses, paused, ({ catchUp, windowMs, nowMs }, [expression, pausedMs]) => {
      const cron = parseCron(expression, 'Europe/Berlin')
      const now = new Date(nowMs)
      const next = cron.after(new Date(nowMs - pausedMs))
      assert.ok(next)
      const all = ticksBetween(cron, next, now, 100_000)
      const decision = decide(cron, { next, now, catchUp, windowMs })
      const ages = decision.fire.map((tick) => nowMs - tick.getTime())
      const onTime = all.filter((tick) => nowMs - tick.getTime() <= GRACE_MS)

      assert.deepEqual(decision.next, cron.after(now))
      assert.ok(decision.fire.every((tick) => all.some((other) => other.getTime() === tick.getTime())))
      assert.ok(
        ages.every((age, i) => age >= 0 && (i === 0 || age < (ages[i - 1] ?? 0))),
        'never early, in order',
      )
      assert.ok(
        ages.every((age) => age <= Math.max(windowMs, GRACE_MS)),
        'within the window',
      )
      assert.deepEqual(decision.fire.slice(-onTime.length || Infinity), onTime, 'those on time always fire')
      assert.ok(decision.fire.length <= MAX_CATCH_UP)
      assert.equal(decision.skipped, Math.min(all.length, 1_000) - decision.fire.length)
      const late = all.filter((tick) => nowMs - tick.getTime() > GRACE_MS)
      const count = Math.min(all.length, 1_000) - onTime.length
      const expected = late.length === 0 ? null : { first: late[0], last: late.at(-1), count }
      assert.deepEqual(decision.missed, expected)
      const missed = decision.fire.length - onTime.length
      if (catchUp === 'skip') assert.equal(missed, 0)
      if (catchUp === 'latest') assert.ok(missed <= 1 && (missed === 0 || onTime.length === 0))
      const reachable = all.filter((tick) => nowMs - tick.getTime() <= Math.max(windowMs, GRACE_MS))
      if (catchUp === 'all') assert.deepEqual(decision.fire, reachable.slice(-MAX_CATCH_UP))
      if (catchUp === 'latest' && onTime.length === 0) assert.deepEqual(decision.fire, reachable.slice(-1))
    }),
    { numRuns: 100 },
  )
})
