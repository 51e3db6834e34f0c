import { ANSWERED, type Case, expect, expectEqual, REFUSED, type Told } from '../case.ts'
import { RESULT_NAMES } from '../project.ts'
import type { Target } from '../target.ts'

/** What JSON makes of the values that it can hold, or something in their place. Every other case ends as a failure. */
const KEPT: Readonly<Record<string, unknown>> = {
  undefined: null,
  null: null,
  NaN: null,
  infinity: { a: null, b: null, c: 0 },
  'an invalid Date': null,
  'a Date': '1970-01-01T00:00:00.000Z',
  'a Map': {},
  'a Set': {},
  'a RegExp': {},
  'an Error': {},
  'a typed array': { 0: 0, 1: 0, 2: 0 },
  'a Buffer': { type: 'Buffer', data: [97, 98, 99] },
  'lone surrogates': { '\ud800': '\udc00', a: '\ud83d' },
  NUL: { 'a\u0000b': '\u0000' },
  __proto__: null,
  holes: [null, 1, null, null],
  'undefined inside': { a: undefined },
  'a null prototype': {},
  'a boxed value': ['a', 1, false],
  'a promise of a promise': 1,
  'an async generator': {},
  'empty text': '',
  'a WeakMap': {},
}
const PROTO: unknown = JSON.parse('{"__proto__":{"a":1},"constructor":1,"toString":null}')
/** Codes that say that it was the function. */
const FAILURES = ['TPT_RESULT_INVALID', 'TPT_FUNCTION_FAILED', 'TPT_FUNCTION_CRASHED']

async function run(target: Target, name: string): Promise<Told> {
  const headers = { 'content-type': 'application/json' }
  const reply = await target.send({ path: '/result', headers, body: JSON.stringify({ name }) })
  expect([200, 500].includes(reply.status), `expected an end, got ${reply.text()}`)
  if (name === '__proto__' || Object.hasOwn(KEPT, name)) {
    expectEqual(reply.json(), name === '__proto__' ? PROTO : KEPT[name], 'the result')
    return { ...ANSWERED, events: 1 }
  }
  if (reply.status === 200) {
    const lines = Object.keys(reply.headers)
    expect(!lines.includes('x-c'), 'a header was split')
    expect(
      name.startsWith('a header') || name.startsWith('a body'),
      `expected a failure, got ${reply.text()}`,
    )
    return { ...ANSWERED, events: 1 }
  }
  const { error } = reply.json<{ error: { code: string; message: string } }>()
  expect(FAILURES.includes(error.code), `expected the function's failure, got ${reply.text()}`)
  return { ...REFUSED, events: 1 }
}

export const RESULTS: readonly Case[] = RESULT_NAMES.map((name) => ({
  id: `results/${name}`,
  run: (target) => run(target, name),
}))
