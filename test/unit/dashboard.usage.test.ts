import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Day, everyDay, groupBy, toCsv, total, usdOf } from '../../src/dashboard/app/usage.ts'

const day = (name: string, functionId: string, attempts: number, more: Partial<Day> = {}): Day => ({
  ...{ day: name, functionId, attempts, failed: 0, cold: 1, busyMs: 10, failedMs: 0, billedMs: 10 },
  ...{ gbSeconds: attempts, cpuMs: 5, peakKb: attempts },
  ...more,
})
const DAYS = [day('2026-11-27', 'a', 3), day('2026-11-27', 'b', 4), day('2026-11-25', 'a', 1)]
const RATES = { perMillionCalls: 1, perGbSecond: 2, perCpuHour: 3_600_000 }

describe('usage on the dashboard', () => {
  it('is summed up by function, by day, or by both', () => {
    const sums = (by: Parameters<typeof groupBy>[1]): unknown[] =>
      groupBy(DAYS, by).map(({ day: name, functionId, attempts }) => [name, functionId, attempts])
    assert.deepEqual(sums('function'), [
      ['', 'a', 4],
      ['', 'b', 4],
    ])
    assert.deepEqual(sums('day'), [
      ['2026-11-27', '', 7],
      ['2026-11-25', '', 1],
    ])
    assert.deepEqual(sums('function and day'), [
      ['2026-11-27', 'b', 4],
      ['2026-11-27', 'a', 3],
      ['2026-11-25', 'a', 1],
    ])
  })

  it('adds everything up but memory, of which the most counts', () => {
    const { attempts, cold, peakKb, cpuMs } = total(DAYS)
    assert.deepEqual({ attempts, cold, peakKb, cpuMs }, { attempts: 8, cold: 3, peakKb: 4, cpuMs: 15 })
  })

  it('has days on which nothing ran', () => {
    assert.deepEqual(
      everyDay(DAYS, 4).map(({ day: name, attempts }) => [name, attempts]),
      [
        ['2026-11-24', 0],
        ['2026-11-25', 1],
        ['2026-11-26', 0],
        ['2026-11-27', 7],
      ],
    )
    assert.deepEqual(everyDay([], 4), [])
  })

  it('costs calls, memory over time and CPU time', () => {
    assert.equal(usdOf(day('', 'a', 1, { attempts: 2_000_000, gbSeconds: 3, cpuMs: 4 }), RATES), 2 + 6 + 4)
  })

  it('is saved as CSV', () => {
    const rows = groupBy([day('2026-11-27', 'a,"b"', 0, { attempts: 0, gbSeconds: 1, cpuMs: 0 })], 'function')
    assert.equal(
      toCsv(rows, { cloud: 'X', rates: RATES }),
      'day,functionId,attempts,failed,cold,billedMs,gbSeconds,cpuMs,peakKb,usd (X)\r\n,"a,""b""",0,0,1,10,1,0,0,2\r\n',
    )
  })
})
