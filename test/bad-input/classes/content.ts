import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { accepted, type Case, either, expectEqual, refused, type Told } from '../case.ts'
import { type Content, types } from './content-types.ts'
import { eventOf } from '../stored.ts'
import type { Target } from '../target.ts'
import type { Request } from '../wire.ts'

const json = { encoding: 'json', data: { a: 1 } }
const BODY = '{"a":1}'

function* forms(): Generator<Content> {
  const type = 'application/x-www-form-urlencoded'
  const rows: readonly (readonly [string, unknown])[] = [
    ['a=1&b=2', { a: '1', b: '2' }],
    ['a=1&a=2', { a: ['1', '2'] }],
    ['a', { a: '' }],
    ['=', { '': '' }],
    ['&&&', {}],
    ['a=%', { a: '%' }],
    ['a=%zz', { a: '%zz' }],
    ['a=%00', { a: '\u0000' }],
    ['a+b=c+d', { 'a b': 'c d' }],
    ['a[]=1&a[]=2', { 'a[]': ['1', '2'] }],
    ['a[__proto__]=1', { 'a[__proto__]': '1' }],
    ['constructor=1&constructor=2', { constructor: ['1', '2'] }],
    ['toString=1', { toString: '1' }],
    ['a=%C3%A9', { a: 'é' }],
  ]
  for (const [body, data] of rows)
    yield { name: `form ${body}`, type, body, want: { encoding: 'form', data } }
  yield {
    name: 'form __proto__',
    type,
    body: '__proto__=1',
    want: { encoding: 'form', data: JSON.parse('{"__proto__":"1"}') },
  }
  for (const count of [10_000, 10_001, 100_000]) {
    const names = Array.from({ length: count }, (_, i) => `${i}=`).join('&')
    yield {
      name: `form of ${count} names`,
      type,
      body: names,
      want: count > 10_000 ? [400] : { encoding: 'form' },
    }
    yield {
      name: `form of one name ${count} times`,
      type,
      body: 'a=1&'.repeat(count),
      want: count > 10_000 ? [400] : { encoding: 'form' },
    }
  }
  yield { name: 'form of percent signs', type, body: '%'.repeat(1_000_000), want: { encoding: 'form' } }
  yield { name: 'form in utf-16', type: `${type}; charset=utf-16`, body: 'a=1', want: [415] }
  yield { name: 'form of bytes', type, body: Buffer.from('61ff', 'hex'), want: [400] }
}

function* codings(): Generator<Content> {
  const type = 'application/json'
  const coded = { gzip: gzipSync(BODY), br: brotliCompressSync(BODY), deflate: deflateSync(BODY) }
  for (const [coding, body] of Object.entries(coded)) {
    for (const spelling of [coding, coding.toUpperCase(), ` ${coding} `])
      yield { name: `coding ${JSON.stringify(spelling)}`, type, coding: spelling, body, want: json }
    for (const cut of [1, Math.floor(body.length / 2), body.length - 1])
      yield { name: `${coding} cut at ${cut}`, type, coding, body: body.subarray(0, cut), want: [400] }
    const flipped = Buffer.from(body)
    flipped[Math.floor(body.length / 2)] = (flipped[Math.floor(body.length / 2)] ?? 0) ^ 0xff
    yield { name: `${coding} with a bad byte`, type, coding, body: flipped, want: [400, 202] }
    yield { name: `${coding} that is none`, type, coding, body: BODY, want: [400] }
    yield { name: `${coding} of nothing`, type, coding, body: '', want: 'either' }
    yield { name: `${coding} twice`, type, coding: `${coding}, ${coding}`, body, want: [415] }
    yield {
      name: `${coding} with a tail`,
      type,
      coding,
      body: Buffer.concat([body, Buffer.from('tail')]),
      want: 'either',
    }
  }
  yield { name: 'coding x-gzip', type, coding: 'x-gzip', body: coded.gzip, want: json }
  yield { name: 'coding identity', type, coding: 'identity', want: json }
  yield { name: 'raw deflate', type, coding: 'deflate', body: deflateRawSync(BODY), want: 'either' }
  for (const coding of [
    'zstd',
    'compress',
    '*',
    'gzip;q=1',
    'constructor',
    '__proto__',
    'toString',
    'identity, gzip',
    'é',
    'a'.repeat(5_000),
  ])
    yield { name: `coding ${coding.slice(0, 20)}`, type, coding, body: coded.gzip, want: [415] }
  for (const megabytes of [2, 16, 64]) {
    const zeros = Buffer.alloc(megabytes * 1_048_576, 0x20)
    yield { name: `gzip bomb of ${megabytes} MiB`, type, coding: 'gzip', body: gzipSync(zeros), want: [413] }
    yield {
      name: `brotli bomb of ${megabytes} MiB`,
      type,
      coding: 'br',
      body: brotliCompressSync(zeros),
      want: [413],
    }
    yield {
      name: `deflate bomb of ${megabytes} MiB`,
      type,
      coding: 'deflate',
      body: deflateSync(zeros),
      want: [413],
    }
  }
  yield { name: 'gzip in gzip', type, coding: 'gzip', body: gzipSync(gzipSync(BODY)), want: [400] }
  yield {
    name: 'a thousand gzip members',
    type,
    coding: 'gzip',
    body: Buffer.concat([gzipSync(BODY), ...Array.from({ length: 1_000 }, () => gzipSync(' '))]),
    want: 'either',
  }
  for (const bytes of [1_048_576, 1_048_577, 5_000_000]) {
    const body = Buffer.alloc(bytes, 0x20)
    body.write('1')
    yield {
      name: `${bytes} bytes`,
      type,
      body,
      want: bytes > 1_048_576 ? [413] : { encoding: 'json', data: 1 },
    }
  }
}

async function run(target: Target, { type, coding, body = BODY, want }: Content): Promise<Told> {
  const headers: Request['headers'] = {
    ...(type !== undefined && { 'content-type': type }),
    ...(coding !== undefined && { 'content-encoding': coding }),
  }
  const reply = await target.send({ path: '/in', headers, body })
  if (want === 'either') return either(reply, 400, 415)
  if (Array.isArray(want))
    return want.includes(202) ? either(reply, ...(want as number[])) : refused(reply, ...(want as number[]))
  const told = accepted(reply)
  const { payload } = await eventOf(target, reply)
  const expected = want as { readonly encoding: string; readonly data?: unknown }
  expectEqual(payload.request?.encoding, expected.encoding, 'the encoding')
  if ('data' in expected) expectEqual(payload.data, expected.data, 'what was stored')
  return told
}

export const CONTENT: readonly Case[] = [types, forms, codings].flatMap((make) =>
  [...make()].map((content) => ({
    id: `content/${content.name}`,
    run: (target: Target) => run(target, content),
  })),
)
