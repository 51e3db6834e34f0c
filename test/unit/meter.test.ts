import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { costOf, type Price, PRICES, READ_ON } from '../../src/api/prices.ts'
import { meterOf } from '../../src/runtime/meter.ts'
import { createCpuShare } from '../../src/runtime/runner/cpu-share.ts'

describe('the share of CPU time', () => {
  const at = { us: 0 }
  const share = () => createCpuShare(() => at.us)
  const use = (us: number): void => {
    at.us += us
  }

  test('of a call that is alone is all that the process used meanwhile', () => {
    const cpu = share()
    use(5_000)
    const began = cpu.begin()
    use(3_000)
    assert.equal(cpu.end(began), 3)
    use(9_000)
    const again = cpu.begin()
    assert.equal(cpu.end(again), 0)
  })

  test('of calls that overlap is even while they do, and adds up to all', () => {
    const cpu = share()
    const first = cpu.begin()
    use(4_000)
    const second = cpu.begin()
    use(6_000)
    const a = cpu.end(first)
    use(2_000)
    const b = cpu.end(second)
    assert.deepEqual([a, b], [7, 5])
  })
})

describe('the meter of an attempt', () => {
  const observed = { durationMs: 20, cold: true, bytesIn: 3 }
  const payload = Buffer.from('null')

  test('is what the process says, and what was seen of it', () => {
    const meter = meterOf({ kind: 'answered', ok: true, payload, use: [12.5, 3, 50_000] }, observed)
    assert.deepEqual(meter, {
      durationMs: 12.5,
      cpuMs: 3,
      peakKb: 50_000,
      cold: true,
      bytesIn: 3,
      bytesOut: 4,
    })
  })

  test('takes nothing that cannot be from the process', () => {
    for (const use of [
      undefined,
      null,
      [1, 2],
      [-1, 2, 3],
      [1, '2', 3],
      [1, 2, 2 ** 31],
      [Number.NaN, 1, 1],
      {},
    ]) {
      const { durationMs, cpuMs, peakKb } = meterOf({ kind: 'answered', ok: true, payload, use }, observed)
      assert.deepEqual([durationMs, cpuMs, peakKb], [20, null, null], JSON.stringify(use))
    }
    const longer = meterOf({ kind: 'answered', ok: true, payload, use: [21, 1, 1] }, observed)
    assert.equal(longer.durationMs, 20)
  })

  test('is what was seen where the process has gone', () => {
    const failure = { name: 'E', message: '', stack: null, code: null, retryable: true, retryAfterMs: null }
    const meter = meterOf({ kind: 'failed', failure }, observed)
    assert.deepEqual(meter, {
      durationMs: 20,
      cpuMs: null,
      peakKb: null,
      cold: true,
      bytesIn: 3,
      bytesOut: 0,
    })
  })
})

describe('the price sheet', () => {
  const priceOf = (cloud: string): Price => {
    const price = PRICES.find((each) => each.cloud === cloud)
    return price ?? assert.fail(cloud)
  }
  const taken = { attempts: 3_000_000, gbSeconds: 400_000, cpuMs: 36_000_000 }

  /** Worked out by hand from the sources. */
  const expected: readonly (readonly [string, number])[] = [
    ['AWS Lambda', 3 * 0.2 + 400_000 * 0.0000166667],
    ['Cloudflare Workers', 3 * 0.3 + 36 * 0.02],
    ['Vercel Functions', 3 * 0.6 + (400_000 / 3_600) * 0.0106 + 10 * 0.128],
    ['Netlify Functions', ((400_000 / 3_600) * 10 + 300 * 2) * (10 / 1_500)],
    ['Supabase Edge Functions', 3 * 2],
  ]
  for (const [cloud, usd] of expected) {
    test(`says what ${cloud} would have taken`, () => {
      assert.equal(costOf(taken, priceOf(cloud)).toFixed(6), usd.toFixed(6))
    })
  }

  test('says of each price where it is from, and when all were read', () => {
    assert.equal(PRICES.length, expected.length)
    for (const { source, of } of PRICES) assert.ok(URL.canParse(source) && of.length > 0, source)
    assert.match(READ_ON, /^\d{4}-\d\d-\d\d$/)
  })
})
