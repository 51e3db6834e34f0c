import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MAX_JSON_DEPTH } from '../../src/lib/json.ts'
import { parseLossless } from '../../src/outbox/lossless-json.ts'

test('numbers that a JavaScript number cannot hold become text', () => {
  const lossy = [
    '9007199254740992',
    '-9007199254740993',
    '123456789012345678901234567890',
    '0.12345678901234567890',
    '1234567890.12345678901',
    '1e400',
    '-1E+400',
    '1e-400',
    '0.1000000000000000055511151231257827',
  ]
  for (const number of lossy) {
    assert.equal(parseLossless(number), number)
    assert.deepEqual(parseLossless(`{"a":[${number},1],"b":"${number}"}`), { a: [number, 1], b: number })
  }
})

test('all others stay numbers', () => {
  const kept: readonly [string, number][] = [
    ['0', 0],
    ['-1', -1],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['-9007199254740991', Number.MIN_SAFE_INTEGER],
    ['1.50', 1.5],
    ['100.0000000000000000000', 100],
    ['0.0000000000000000000000', 0],
    ['0.30000000000000004', 0.30000000000000004],
    ['1e+300', 1e300],
    ['1.7976931348623157e+308', Number.MAX_VALUE],
    ['5e-324', 5e-324],
    ['0.000000000000000001', 1e-18],
  ]
  for (const [text, number] of kept) assert.equal(parseLossless(text), number, text)
})

/** Integers beyond 2^53, as far as JavaScript prints them digit by digit. */
function asText(_key: string, value: unknown): unknown {
  const lossy = typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
  return lossy && Math.abs(value) < 1e21 ? String(value) : value
}

test('of any JSON, only integers beyond 2^53 are different', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const json = JSON.stringify(value)
      assert.deepEqual(parseLossless(json), JSON.parse(json, asText))
    }),
  )
})

test('integers of any size keep every digit, wherever they stand', () => {
  fc.assert(
    fc.property(
      fc.array(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n })),
      fc.string(),
      (numbers, text) => {
        const json = `{"text":${JSON.stringify(text)},"numbers":[${numbers.join(' , ')}]}`
        const parsed = parseLossless(json) as { text: string; numbers: unknown[] }
        assert.equal(parsed.text, text)
        assert.deepEqual(parsed.numbers.map(String), numbers.map(String))
      },
    ),
  )
})

test('floats as Postgres prints them come back as they were', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      assert.equal(parseLossless(value.toExponential()), value + 0)
    }),
  )
})

test('long text full of digits, quotes and backslashes is read in time', () => {
  const text = '\\"1234567890123456789\\'.repeat(100_000)
  const started = performance.now()
  assert.deepEqual(parseLossless(JSON.stringify({ text, n: 1 })), { text, n: 1 })
  assert.ok(performance.now() - started < 2_000)
})

test('what is nested too deep to be written again is text', () => {
  const nested = (depth: number): string => `${'['.repeat(depth)}"]\\"["${']'.repeat(depth)}`
  const atLimit = parseLossless(nested(MAX_JSON_DEPTH))
  assert.equal(JSON.stringify(atLimit), nested(MAX_JSON_DEPTH))
  const row = parseLossless(`{"a":[${nested(6_000)},1],"b":{"c":${nested(1_500)}},"d":[2]}`)
  const again = JSON.stringify(row)
  assert.ok(again.includes(JSON.stringify(nested(6_000 - MAX_JSON_DEPTH + 2))))
  assert.ok(again.includes(JSON.stringify(nested(1_500 - MAX_JSON_DEPTH + 2))))
  assert.ok(again.endsWith('"d":[2]}'))
  parseLossless(nested(200_000))
})
