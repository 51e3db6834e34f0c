import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Condition, Facts, OpenAlert } from '../../src/alerts/alert.ts'
import { conditionsOf, remember } from '../../src/alerts/conditions.ts'
import { decide, noticesOf, retryDelayMs } from '../../src/alerts/decide.ts'
import { textOf } from '../../src/alerts/text.ts'

const THRESHOLDS = { windowMs: 600_000, failures: 5, queueAgeMs: 300_000 }
const DECLARED = { known: () => true, mayOverlap: () => true }
const NONE: Facts = { nowMs: 1_000_000, functions: [], dead: [], queues: [], schedules: [] }
const SCHEDULE = { id: 'a#0', functionId: 'a', expression: '* * * * *', lateMs: -1, skipped: 3 }

const found = (facts: Partial<Facts>, memory = {}, declared = DECLARED): string[] =>
  conditionsOf({ ...NONE, ...facts }, memory, THRESHOLDS, declared).map(({ kind }) => kind)

describe('what is wrong', () => {
  it('is nothing when nothing is', () => {
    assert.deepEqual(found({ schedules: [SCHEDULE] }), [])
  })

  it('is a function of which more runs fail than complete, from a number on', () => {
    const runs = (failed: number, completed: number): string[] =>
      found({ functions: [{ functionId: 'a', failed, completed, lastError: 'no' }] })
    assert.deepEqual(runs(5, 4), ['function.failing'])
    assert.deepEqual(runs(4, 0), [])
    assert.deepEqual(runs(5, 5), [])
  })

  it('is a new dead letter, and a queue whose oldest run waits too long', () => {
    assert.deepEqual(found({ dead: [{ functionId: 'a', count: 1, lastError: null }] }), ['dead_letters.new'])
    const queue = (oldestMs: number | null): string[] =>
      found({ queues: [{ functionId: 'a', waiting: 1, oldestMs }] })
    assert.deepEqual(queue(300_001), ['queue.aging'])
    assert.deepEqual([...queue(300_000), ...queue(null)], [])
  })

  it('is a tick that is a minute late, unless nobody has that schedule any more', () => {
    const late = { schedules: [{ ...SCHEDULE, lateMs: 60_001 }] }
    assert.deepEqual(found(late), ['schedule.missed'])
    assert.deepEqual(found(late, {}, { ...DECLARED, known: () => false }), [])
    assert.deepEqual(found({ schedules: [{ ...SCHEDULE, lateMs: 60_000 }] }), [])
    assert.deepEqual(found({ schedules: [{ ...SCHEDULE, lateMs: null }] }), [])
  })

  it('is a tick that was left out, for as long as the window, unless that is how it is declared', () => {
    const before = remember({}, { ...NONE, schedules: [{ ...SCHEDULE, skipped: 2 }] })
    assert.deepEqual(
      found({ schedules: [SCHEDULE] }, before),
      [],
      'what had been left out before counts for nothing',
    )
    const memory = remember(before, { ...NONE, schedules: [SCHEDULE] })
    assert.deepEqual(found({ schedules: [SCHEDULE] }, memory), ['schedule.missed'])
    assert.deepEqual(found({ schedules: [SCHEDULE] }, memory, { ...DECLARED, mayOverlap: () => false }), [])
    const later = { schedules: [SCHEDULE], nowMs: NONE.nowMs + 600_001 }
    assert.deepEqual(found(later, remember(memory, { ...NONE, ...later })), [])
  })
})

describe('what is told', () => {
  const condition: Condition = { kind: 'queue.aging', subject: 'a', message: 'a waits' }
  const open = (quietMs: number): OpenAlert => ({
    ...condition,
    id: 'alr_1',
    since: '2026-01-01T00:00:00.000Z',
    quietMs,
  })
  const options = { quietMs: 100, makeId: () => 'alr_new' }
  const types = (known: readonly OpenAlert[], now: readonly Condition[]): string[] =>
    noticesOf(decide(known, now, options), 0).map(({ type, data }) => `${type} ${data.id}`)

  it('is that it began, once, and that it is over, once it has not been seen for a while', () => {
    assert.deepEqual(types([], [condition]), ['alert.firing alr_new'])
    assert.deepEqual(types([open(0)], [condition]), [])
    assert.deepEqual(types([open(99)], []), [])
    assert.deepEqual(types([open(100)], []), ['alert.resolved alr_1'])
    assert.deepEqual(types([open(100)], [condition]), [], 'it is seen again')
  })

  it('is tried again after 10 s, then later and later, up to 10 minutes', () => {
    assert.deepEqual([1, 2, 3, 7, 1_000].map(retryDelayMs), [10_000, 20_000, 40_000, 600_000, 600_000])
  })

  it('is one line, whatever an error says', () => {
    const data = { ...condition, id: 'alr_1', since: 'then', message: 'a\r\nBcc: b\u001b[31m' }
    assert.equal(textOf({ type: 'alert.firing', timestamp: 'now', data }), 'Firing: a Bcc: b [31m')
  })
})
