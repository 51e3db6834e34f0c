import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TappetError } from '../../src/errors.ts'
import { decodeUtf8, MAX_JSON_DEPTH, parseJson } from '../../src/lib/json.ts'

const refused = (message: RegExp) => (error: unknown) =>
  error instanceof TappetError && error.code === 'TPT_BODY_INVALID' && message.test(error.message)

test('whatever JSON.stringify writes is read back', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value)
      assert.deepEqual(parseJson(text), JSON.parse(text))
      assert.deepEqual(parseJson(Buffer.from(text)), JSON.parse(text))
    }),
  )
})

test('the depth is limited, brackets inside of strings are not counted', () => {
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
  assert.ok(Array.isArray(parseJson(nested(MAX_JSON_DEPTH))))
  assert.throws(
    () => parseJson(nested(MAX_JSON_DEPTH + 1)),
    refused(/at most 1000 deep, got more at position 1000/),
  )
  assert.throws(() => parseJson('{"a":'.repeat(100_000)), refused(/at most 1000 deep/))
  assert.deepEqual(parseJson(JSON.stringify(['[[[[', '\\"[[[[']), 1), ['[[[[', '\\"[[[['])
  assert.deepEqual(parseJson('[[],[],[]]', 2), [[], [], []])
})

test('bytes must be UTF-8; a byte order mark is left out', () => {
  assert.throws(() => parseJson(Buffer.from([0x22, 0xff, 0x22])), refused(/expected UTF-8/))
  assert.throws(() => decodeUtf8(Buffer.from([0xed, 0xa0, 0x80])), refused(/expected UTF-8/))
  assert.equal(parseJson(Buffer.from('\ufeff1')), 1)
})

test('what is not JSON is refused with where', () => {
  assert.throws(() => parseJson(''), refused(/got nothing/))
  assert.throws(() => parseJson(' \n'), refused(/got nothing/))
  for (const text of ['{', '[1,]', '"\\x"', '"', 'NaN', '{"a":1}}', ']']) {
    assert.throws(() => parseJson(text), refused(/^expected JSON, got: /), text)
  }
})

test('__proto__, NUL and lone surrogates are carried unharmed', () => {
  const text = '{"__proto__":{"admin":true},"nul":"\\u0000","lone":"\\ud800"}'
  const value = parseJson(text) as Record<string, unknown>
  assert.deepEqual(Object.keys(value), ['__proto__', 'nul', 'lone'])
  assert.equal(({} as Record<string, unknown>)['admin'], undefined)
  assert.equal(JSON.stringify(value), text)
})
