import { TABLES } from './tables.ts'

const head = `import { defineFunction, http, postgres, queue, signature, upload } from 'tappet'
void [http, postgres, queue, signature, upload]
`

const on = (triggers: string): string =>
  `${head}export default defineFunction({ on: ${triggers}, retry: { attempts: 1 } }, () => null)\n`

/** Returns what JSON cannot hold, or does what no function should. */
const RESULTS = `${head}
const cycle: Record<string, unknown> = {}
cycle.self = cycle
const thrown = (value: unknown) => () => { throw value }
export const RESULTS: Record<string, () => unknown> = {
  bigint: () => 1n,
  'a bigint inside': () => ({ a: [1n] }),
  cycle: () => cycle,
  'an array in itself': () => { const list: unknown[] = []; list.push(list); return list },
  function: () => () => 1,
  'a class': () => class {},
  symbol: () => Symbol('s'),
  'a throwing getter': () => ({ get a() { throw new Error('getter') } }),
  'a throwing toJSON': () => ({ toJSON() { throw new Error('toJSON') } }),
  'a toJSON of a bigint': () => ({ toJSON: () => 1n }),
  'a throwing Proxy': () => new Proxy({}, { ownKeys() { throw new Error('trap') } }),
  'a revoked Proxy': () => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy },
  'an endless Proxy': () => { const own: object = new Proxy({ a: 1 }, { get: () => own }); return own },
  'a thenable that throws': () => ({ then() { throw new Error('then') } }),
  '2 MB': () => 'x'.repeat(2_000_000),
  '100 MB': () => 'x'.repeat(100_000_000),
  deep: () => { let value: unknown = 1; for (let i = 0; i < 200_000; i++) value = [value]; return value },
  'throws null': thrown(null),
  'throws undefined': thrown(undefined),
  'throws a string': thrown('text'),
  'throws a frozen error': thrown(Object.freeze(new Error('frozen'))),
  'throws a bigint': thrown(1n),
  'throws a cycle': thrown(cycle),
  'throws a Proxy': thrown(new Proxy({}, { get() { throw new Error('trap') } })),
  'throws a huge message': thrown(new Error('x'.repeat(5_000_000))),
  'throws NUL': thrown(new Error('a\\u0000b\\ud800')),
  'throws an error whose stack throws': () => { const error = new Error('s'); Object.defineProperty(error, 'stack', { get() { throw new Error('stack') } }); throw error },
  'throws an error whose name is an object': () => { throw Object.assign(new Error('n'), { name: { toString() { throw new Error('name') } } }) },
  'a status that is none': () => ({ '~response': { status: 99, headers: [], body: '' } }),
  'a status that is text': () => ({ '~response': { status: '200', headers: [], body: '' } }),
  'no headers': () => ({ '~response': { status: 200, body: '' } }),
  'a header that splits': () => ({ '~response': { status: 200, headers: [['x-a', 'b\\r\\nx-c: d']], body: '' } }),
  'a header without a name': () => ({ '~response': { status: 200, headers: [['', 'b'], ['a b', 'c'], [1, 2]], body: '' } }),
  'a body that is no base64': () => ({ '~response': { status: 200, headers: [], body: '***' } }),
  'a body that is a number': () => ({ '~response': { status: 200, headers: [], body: 7 } }),
  'a Response of an error': () => Response.error(),
  'a Response that was read': async () => { const response = new Response('a'); await response.text(); return response },
  undefined: () => undefined,
  null: () => null,
  NaN: () => NaN,
  infinity: () => ({ a: Infinity, b: -Infinity, c: -0 }),
  'an invalid Date': () => new Date(NaN),
  'a Date': () => new Date(0),
  'a Map': () => new Map([['a', 1]]),
  'a Set': () => new Set([1]),
  'a RegExp': () => /a/,
  'an Error': () => new Error('returned'),
  'a typed array': () => new Uint8Array(3),
  'a Buffer': () => Buffer.from('abc'),
  'lone surrogates': () => ({ '\\ud800': '\\udc00', a: '\\ud83d' }),
  NUL: () => ({ 'a\\u0000b': '\\u0000' }),
  '__proto__': () => JSON.parse('{"__proto__":{"a":1},"constructor":1,"toString":null}'),
  holes: () => [, 1, , undefined],
  'undefined inside': () => ({ a: undefined, b: () => 1, c: Symbol('c') }),
  'a null prototype': () => Object.create(null),
  'a boxed value': () => [new String('a'), new Number(1), new Boolean(false)],
  'a promise of a promise': async () => Promise.resolve(Promise.resolve(1)),
  'an async generator': () => (async function* () { yield 1 })(),
  'empty text': () => '',
  'a WeakMap': () => new WeakMap(),
}
export default defineFunction(
  { on: http.post('/result', { wait: '60s' }), retry: { attempts: 1 }, timeout: '30s' },
  (event) => {
    const { name } = event.data as { name: string }
    return (RESULTS[name] ?? (() => { throw new Error('no such case') }))() as never
  },
)
`

export const FUNCTIONS: Readonly<Record<string, string>> = {
  'functions/open.ts': on(`[
    http.post('/in', { headers: ['x-naughty'] }),
    http.post('/in/:name'),
    http.post('/files/*'),
    queue('jobs'),
    upload('bad/:class/**'),
  ]`),
  'functions/signed.ts': on(`[
    http.post('/signed/standard', { verify: signature.standard('STANDARD') }),
    http.post('/signed/github', { verify: signature.github('SHARED') }),
    http.post('/signed/stripe', { verify: signature.stripe('SHARED') }),
    http.post('/signed/slack', { verify: signature.slack('SHARED') }),
    http.post('/signed/shopify', { verify: signature.shopify('SHARED') }),
    http.post('/signed/hmac', { verify: signature.hmac('SHARED', { header: 'x-sig' }) }),
    http.post('/signed/key', { verify: signature.apiKey('SHARED') }),
  ]`),
  'functions/rows.ts': on(
    `[postgres.table('kinds').onInsert(), ${TABLES.map((name) => `postgres.table(${JSON.stringify(declared(name))}).onInsert()`).join(',\n')}]`,
  ),
  'functions/results.ts': RESULTS,
}

/** Names of what the function of `functions/results.ts` can do. */
export const RESULT_NAMES: readonly string[] = [...RESULTS.matchAll(/^ {2}('?)([^'{\n:]+)\1: /gm)].map(
  ([, , name = '']) => name,
)

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** With its schema, so that a name with a dot in it is one name. */
export function declared(name: string): string {
  return `public.${quoted(name)}`
}

export const PREPARE = [
  `create type color as enum ('red', 'it''s')`,
  `create type pair as (a int, b text)`,
  `create table kinds (id int generated always as identity primary key, kind text not null,
     n numeric, f float8, r float4, i bigint, b bytea, t timestamptz, d date, iv interval, j jsonb, js json, x xml,
     a int[], aa text[][], rng int4range, mr tsrange, c color, p pair, u uuid, ip inet, bits varbit, txt text, tm timetz)`,
  ...TABLES.map((name) => `create table ${quoted(name)} (id int)`),
].join(';\n')
