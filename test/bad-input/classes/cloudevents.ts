import { accepted, type Case, either, expect, expectEqual, refused, type Told } from '../case.ts'
import type { Target } from '../target.ts'

const PATH = '/_tappet/events'
const STRUCTURED = { 'content-type': 'application/cloudevents+json' }
const BATCH = { 'content-type': 'application/cloudevents-batch+json' }
let made = 0

type Fields = Readonly<Record<string, unknown>>

const event = (changes: Fields = {}): Fields => ({
  ...{ specversion: '1.0', id: `ce-${made++}`, source: '/bad/cloudevents', type: 'jobs', data: { a: 1 } },
  ...changes,
})

const post = async (target: Target, body: string, headers: Readonly<Record<string, string>>) =>
  target.admin({ path: PATH, headers, body })

const WRONG: readonly unknown[] = [
  null,
  '',
  0,
  1.5,
  true,
  [],
  {},
  ['1.0'],
  'x'.repeat(1_025),
  'a\u0000b',
  'a\nb',
  '\ud800',
]
const ATTRIBUTES = ['specversion', 'id', 'source', 'type', 'subject', 'time', 'datacontenttype']
const OPTIONAL = ['subject', 'time', 'datacontenttype']
const TIMES = [
  ...[
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-01',
    '2026-01-01T00:00:00',
    '2026-01-01 00:00:00Z',
    'now',
  ],
  ...[
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T00:00:61Z',
    '0000-01-01T00:00:00Z',
    '+002026-01-01T00:00:00Z',
  ],
  ...[
    '2026-01-01T00:00:00+24:00',
    '2026-01-01T00:00:00+0100',
    '1767225600',
    '99999-01-01T00:00:00Z',
    '2026-1-1T0:0:0Z',
  ],
]
const NAMES = [
  'Upper',
  'with-dash',
  'with_underscore',
  'with.dot',
  'ünï',
  '',
  ' ',
  'a b',
  '__proto__',
  'data_',
  'a\u0000',
  'x'.repeat(1_025),
  '1',
]
const VALUES: readonly unknown[] = [
  1,
  -0,
  1e21,
  1.5,
  true,
  {},
  [],
  [1],
  'x'.repeat(1_025),
  'a\u0000',
  { a: 1 },
  2 ** 31,
]
const BASE64 = [
  'a',
  'ab',
  'abc',
  '====',
  'YQ',
  'YQ=',
  'YQ==\n',
  'Y Q==',
  '-_==',
  'ÿ',
  '"',
  1,
  true,
  {},
  [],
  'YQ==YQ==',
]

function* attributes(): Generator<Case> {
  for (const name of ATTRIBUTES)
    for (const [i, value] of WRONG.entries())
      yield {
        id: `cloudevents/${name} ${i}`,
        async run(target) {
          const reply = await post(target, JSON.stringify(event({ [name]: value })), STRUCTURED)
          // Null says that an attribute is not there.
          if (value === null && OPTIONAL.includes(name)) return accepted(reply)
          return refused(reply, 422)
        },
      }
  for (const time of TIMES)
    yield {
      id: `cloudevents/time ${time}`,
      run: async (target) => refused(await post(target, JSON.stringify(event({ time })), STRUCTURED), 422),
    }
  for (const [i, name] of NAMES.entries())
    yield {
      id: `cloudevents/extension name ${i}`,
      async run(target) {
        const body = JSON.stringify(event()).replace('{', `{${JSON.stringify(name)}:"v",`)
        const reply = await post(target, body, STRUCTURED)
        return /^[a-z0-9]{1,1024}$/.test(name) ? accepted(reply) : refused(reply, 422)
      },
    }
  for (const [i, value] of VALUES.entries())
    yield {
      id: `cloudevents/extension value ${i}`,
      run: async (target) =>
        either(await post(target, JSON.stringify(event({ extension: value })), STRUCTURED), 422),
    }
  for (const [i, value] of BASE64.entries())
    yield {
      id: `cloudevents/data_base64 ${i}`,
      async run(target) {
        const { data: _, ...rest } = event({
          datacontenttype: 'application/octet-stream',
          data_base64: value,
        })
        return refused(await post(target, JSON.stringify(rest), STRUCTURED), 422)
      },
    }
}

const MODES: Readonly<Record<string, readonly [body: string, headers: Readonly<Record<string, string>>]>> = {
  'data beside data_base64': [JSON.stringify(event({ data_base64: 'YQ==' })), STRUCTURED],
  'a batch as one event': [JSON.stringify([event()]), STRUCTURED],
  'one event as a batch': [JSON.stringify(event()), BATCH],
  'a batch in a batch': [JSON.stringify([[event()]]), BATCH],
  'null in a batch': [JSON.stringify([event(), null]), BATCH],
  'text in a batch': [JSON.stringify([event(), 'text']), BATCH],
  '1,001 events': [JSON.stringify(Array.from({ length: 1_001 }, () => event())), BATCH],
  'headers beside a structured event': ['', { ...STRUCTURED, 'ce-id': '1', 'ce-specversion': '1.0' }],
  'headers and no body type': ['{}', { 'ce-id': '1', 'ce-source': '/a', 'ce-type': 'jobs' }],
  'an unknown format': [JSON.stringify(event()), { 'content-type': 'application/cloudevents+xml' }],
  'another charset': ['{}', { 'content-type': 'application/cloudevents+avro' }],
  'no type at all': [JSON.stringify(event()), {}],
  'plain JSON': [JSON.stringify(event()), { 'content-type': 'application/json' }],
  'cut off': [JSON.stringify(event()).slice(0, -1), STRUCTURED],
}

/** One bad event in a batch, at each of five places: none of the batch is stored. */
function* batches(): Generator<Case> {
  for (const place of [0, 1, 2, 3, 4])
    for (const [i, bad] of [{ id: '' }, { type: 7 }, { specversion: '0.3' }, { source: undefined }].entries())
      yield {
        id: `cloudevents/bad event ${i} at ${place} of five`,
        async run(target): Promise<Told> {
          const events = Array.from({ length: 5 }, (_, n) => event(n === place ? bad : {}))
          const reply = await post(target, JSON.stringify(events), BATCH)
          const told = refused(reply, 422)
          const issues = reply.json<{ error: { issues: { path: string }[] } }>().error.issues
          expect(issues[0]?.path.startsWith(`/${place}/`) === true, `expected the place, got ${reply.text()}`)
          return told
        },
      }
}

export const CLOUDEVENTS: readonly Case[] = [
  ...attributes(),
  ...batches(),
  ...Object.entries(MODES).map(([what, [body, headers]]) => ({
    id: `cloudevents/${what}`,
    run: async (target: Target) => refused(await post(target, body, headers), 400, 415, 422),
  })),
  {
    id: 'cloudevents/the same event twice in a batch',
    async run(target) {
      const twice = event()
      const reply = await post(target, JSON.stringify([twice, twice]), BATCH)
      expectEqual(reply.status, 202, 'the status')
      return { verdict: 'accepted', events: 1 }
    },
  },
  {
    id: 'cloudevents/an empty batch',
    async run(target) {
      const reply = await post(target, '[]', BATCH)
      return reply.status < 300 ? accepted(reply, 0) : refused(reply, 400, 422)
    },
  },
]
