import { ANSWERED, type Case, expect, expectEqual, refusedSomehow, REFUSED, type Told } from '../case.ts'
import { NAUGHTY } from '../strings.ts'
import type { Target } from '../target.ts'
import type { Reply } from '../wire.ts'
import { isKey, keyOf } from './upload-keys.ts'

type Headers = Readonly<Record<string, string>>

const PATH = '/_tappet/tus'
const VERSION: Headers = { 'tus-resumable': '1.0.0' }
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const metadata = (key: string, more = ''): string => `key ${base64(key)}${more}`

/** Asks for a new upload of five bytes; later headers replace the good ones, `null` leaves one out. */
function create(target: Target, changes: Readonly<Record<string, string | null>>): Promise<Reply> {
  const good = { ...VERSION, 'upload-length': '5', 'upload-metadata': metadata('bad/tus/a') }
  const headers = Object.entries({ ...good, ...changes }).filter(([, value]) => value !== null)
  return target.admin({ path: PATH, headers: Object.fromEntries(headers) as Headers })
}

async function begun(target: Target, key: string, more = ''): Promise<string> {
  const reply = await create(target, { 'upload-metadata': metadata(key, more) })
  expect(reply.status === 201, `expected 201, got ${reply.text()}`)
  return reply.headers['location'] ?? ''
}

function patch(target: Target, path: string, body: string, changes: Headers = {}): Promise<Reply> {
  const headers = { ...VERSION, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' }
  return target.admin({ method: 'PATCH', path, headers: { ...headers, ...changes }, body })
}

/** Nothing is stored of what has not come whole. */
const begunOrRefused = (reply: Reply): Told => (reply.status === 201 ? ANSWERED : refusedSomehow(reply))

const VERSIONS = [
  '',
  '0.2.2',
  '1.0.1',
  '2.0.0',
  '1',
  '1.0.0, 1.0.0',
  ' ',
  '1.0.0;',
  '%31.0.0',
  'x'.repeat(500),
]
const LENGTHS = [
  ...['', '-1', '-0', '+5', '1.5', '1e3', '0x10', '5 5', '5,5', ',', 'NaN', 'Infinity', 'null', '5;', '٥'],
  ...[
    '9'.repeat(30),
    '9007199254740993',
    '18446744073709551616',
    '-9'.repeat(100),
    '1'.repeat(5_000),
    'a',
    "'5'",
    '5n',
  ],
]
const METADATA = [
  ...['', ' ', 'key', 'key ', 'key  ', ' key YQ==', 'key !!!', 'key YQ==,', ',key YQ==', 'key YQ==,key Yg=='],
  ...[
    'KEY YQ==',
    'key YQ',
    'key YQ==\t',
    'other YQ==',
    'key,',
    ',,,,',
    'key YQ== YQ==',
    'ké YQ==',
    `key ${base64('x'.repeat(600))}`,
  ],
  ...[
    `${'a YQ==,'.repeat(500)}key YQ==`,
    `key ${'A'.repeat(9_000)}`,
    `__proto__ ${base64('bad/tus/a')}`,
    `constructor YQ==`,
  ],
]
const OFFSETS = ['', '-1', '1', '5', '6', '1.0', 'NaN', '0x0', '9'.repeat(30), '0,0', ' ', 'a', '1e0', '٠']
const TYPES = [
  '',
  'application/octet-stream',
  'text/plain',
  'application/offset+octet-stream2',
  'application/json',
  '*/*',
]
const IDS = [
  ...[
    'file_x',
    'x',
    '..',
    '.',
    '%2e%2e',
    '..%2f..%2fetc%2fpasswd',
    '%00',
    'file_01K0000000000000000000000A',
    'FILE_X',
    '%ff',
    '%',
  ],
  ...[
    'file_01K0000000000000000000000A.json',
    '%2fetc%2fpasswd',
    'file_01k0000000000000000000000a/../x',
    'x'.repeat(2_000),
    '__proto__',
  ],
]
const METHODS = ['HEAD', 'PATCH', 'DELETE', 'GET', 'PUT', 'OPTIONS', 'POST']

function* creations(): Generator<Case> {
  for (const version of VERSIONS)
    yield {
      id: `tus/version ${JSON.stringify(version).slice(0, 30)}`,
      run: async (target) => refusedSomehow(await create(target, { 'tus-resumable': version })),
    }
  for (const header of ['tus-resumable', 'upload-length', 'upload-metadata'])
    yield {
      id: `tus/without ${header}`,
      run: async (target) => refusedSomehow(await create(target, { [header]: null })),
    }
  for (const length of LENGTHS)
    yield {
      id: `tus/length ${length.slice(0, 30)}`,
      run: async (target) => begunOrRefused(await create(target, { 'upload-length': length })),
    }
  for (const [i, text] of METADATA.entries())
    yield {
      id: `tus/metadata ${i}`,
      run: async (target) => begunOrRefused(await create(target, { 'upload-metadata': text })),
    }
  for (const [name, value] of [
    ['upload-defer-length', '1'],
    ['upload-defer-length', '2'],
    ['upload-concat', 'partial'],
    ['upload-concat', 'final;/_tappet/tus/a /_tappet/tus/b'],
    ['upload-concat', 'final;../../etc/passwd'],
    ['upload-checksum', 'sha1 ***'],
    ['x-http-method-override', 'DELETE'],
    ['x-http-method-override', 'PATCH'],
    ['x-http-method-override', '__proto__'],
  ] as const)
    yield {
      id: `tus/${name} ${value}`,
      async run(target) {
        const reply = await create(target, { [name]: value })
        // What tus itself answers where a server has not an extension.
        return reply.status === 501 ? REFUSED : begunOrRefused(reply)
      },
    }
  for (const [i, text] of NAUGHTY.entries())
    yield {
      id: `tus/key ${i}`,
      async run(target) {
        const key = `bad/tus/${text}`
        const reply = await create(target, { 'upload-metadata': metadata(key) })
        if (Buffer.byteLength(metadata(key)) > 8_000) return begunOrRefused(reply)
        expectEqual(
          reply.status === 201,
          isKey(key),
          `whether ${JSON.stringify(keyOf(key)).slice(0, 80)} is a key`,
        )
        return begunOrRefused(reply)
      },
    }
}

function* continuations(): Generator<Case> {
  for (const [i, id] of IDS.entries())
    for (const method of METHODS)
      yield {
        id: `tus/${method} of id ${i}`,
        async run(target) {
          const more =
            method === 'PATCH'
              ? { 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' }
              : {}
          const path = `${PATH}/${id}`
          const reply = await target.admin({ method, path, headers: { ...VERSION, ...more } })
          return reply.status < 300 && method === 'OPTIONS' ? ANSWERED : refusedSomehow(reply)
        },
      }
  for (const offset of OFFSETS)
    yield {
      id: `tus/offset ${offset}`,
      async run(target) {
        const path = await begun(target, 'bad/tus/offset')
        return refusedSomehow(await patch(target, path, 'abcde', { 'upload-offset': offset }))
      },
    }
  for (const type of TYPES)
    yield {
      id: `tus/type ${type}`,
      async run(target) {
        const path = await begun(target, 'bad/tus/type')
        return refusedSomehow(await patch(target, path, 'abcde', { 'content-type': type }))
      },
    }
  yield {
    id: 'tus/more bytes than were announced',
    async run(target) {
      const path = await begun(target, 'bad/tus/more')
      const reply = await patch(target, path, 'abcdefghij')
      // What was announced may be taken, and the rest left.
      return reply.status < 300 ? { verdict: 'accepted', events: 1 } : refusedSomehow(reply)
    },
  }
  for (const [what, again] of [
    ['written again', (target: Target, path: string) => patch(target, path, 'abcde')],
    ['continued', (target: Target, path: string) => patch(target, path, 'x', { 'upload-offset': '5' })],
    ['removed', (target: Target, path: string) => target.admin({ method: 'DELETE', path, headers: VERSION })],
  ] as const)
    yield {
      id: `tus/a finished upload, ${what}`,
      async run(target) {
        const path = await begun(target, 'bad/tus/again')
        expectEqual((await patch(target, path, 'abcde')).status, 204, 'the last bytes')
        refusedSomehow(await again(target, path))
        return { verdict: 'refused', events: 1 }
      },
    }
  for (const [i, name] of NAUGHTY.entries())
    yield { id: `tus/filename ${i}`, run: (target) => named(target, name, i) }
}

/** The sender's name for the file is kept as text, and names nothing. */
async function named(target: Target, name: string, i: number): Promise<Told> {
  const key = `bad/tus/named/${i}`
  const reply = await create(target, { 'upload-metadata': metadata(key, `,filename ${base64(name)}`) })
  if (reply.status !== 201) return refusedSomehow(reply)
  expectEqual((await patch(target, reply.headers['location'] ?? '', 'abcde')).status, 204, 'the bytes')
  const [row] = await target.sql<{ filename: string | null }>(
    'select filename from tappet.files where key = $1',
    [key],
  )
  const kept = row?.filename ?? ''
  expect(!/[/\\\p{Cc}\u202a-\u202e]/u.test(kept), `expected a harmless name, got ${JSON.stringify(kept)}`)
  return { ...REFUSED, verdict: 'accepted', events: 1 }
}

export const TUS: readonly Case[] = [...creations(), ...continuations()]
