import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CloudEvent as Peer, HTTP, type Message } from 'cloudevents'
import fc from 'fast-check'
import { TappetError } from '../../src/errors.ts'
import { MAX_BATCH, parseCloudEvents, toCloudEvent } from '../../src/events/cloudevents.ts'
import { type Envelope, MAX_ATTRIBUTE } from '../../src/events/envelope.ts'

const now = new Date('2026-01-02T03:04:05.678Z')
const required = { specversion: '1.0', id: '1', source: '/shop', type: 'order.placed' }

const structured = (event: unknown, type = 'application/cloudevents+json; charset=utf-8') =>
  parseCloudEvents({ 'content-type': type }, Buffer.from(JSON.stringify(event)), now)
const batch = (events: unknown) => structured(events, 'application/cloudevents-batch+json')
const binary = (headers: Record<string, string>, body: string | Buffer = '') =>
  parseCloudEvents(
    { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/shop', 'ce-type': 'order.placed', ...headers },
    Buffer.from(body),
    now,
  )

function issuesOf(work: () => unknown): readonly string[] {
  try {
    work()
  } catch (error) {
    if (error instanceof TappetError && error.code === 'TPT_EVENT_INVALID') {
      return error.issues.map(({ path, message }) => `${path} ${message}`)
    }
    throw error
  }
  return []
}

const fails = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof TappetError && error.code === code && message.test(error.message)

test('structured mode: known attributes, extensions in canonical form, defaults', () => {
  const [event] = structured({
    ...required,
    subject: 's',
    traceid: 'a',
    flag: true,
    n: -7,
    none: null,
    data: { a: [1] },
  })
  assert.deepEqual(event, {
    specversion: '1.0',
    id: '1',
    source: '/shop',
    type: 'order.placed',
    subject: 's',
    time: '2026-01-02T03:04:05.678Z',
    datacontenttype: null,
    extensions: { traceid: 'a', flag: 'true', n: '-7' },
    data: { a: [1] },
    base64: false,
  })
  assert.equal(structured(required)[0]?.data, null)
  assert.equal(structured({ ...required, data: null })[0]?.data, null)
})

test('binary mode: a byte order mark in an attribute is part of it', () => {
  const headers = { 'ce-specversion': '1.0', 'ce-source': '/s', 'ce-type': 't', 'ce-id': '%EF%BB%BFa' }
  assert.equal(parseCloudEvents(headers, Buffer.alloc(0))[0]?.id, '\ufeffa')
})

test('binary mode: percent-decoding once, quotes of older senders, bytes by content type', () => {
  const [event] = binary(
    {
      'ce-subject': 'Z%C3%BCrich%20%2525',
      'ce-old': '"a \\"b\\" 100%"',
      'ce-time': '2024-06-30T23:59:60.25+02:00',
      'content-type': 'application/vnd.x+json',
    },
    '{"a":1}',
  )
  assert.equal(event?.subject, 'Zürich %25')
  assert.deepEqual(event?.extensions, { old: 'a "b" 100%' })
  assert.equal(event?.time, '2024-06-30T21:59:59.250Z')
  assert.deepEqual(event?.data, { a: 1 })

  const data = (type: string, body: string | Buffer) => {
    const [sent] = binary({ 'content-type': type }, body)
    return { data: sent?.data, base64: sent?.base64 }
  }
  assert.deepEqual(data('text/plain; charset=UTF-8', 'é'), { data: 'é', base64: false })
  assert.deepEqual(data('text/plain; charset=latin1', 'x'), { data: 'eA==', base64: true })
  assert.deepEqual(data('application/xml', '<a/>'), { data: '<a/>', base64: false })
  assert.deepEqual(data('image/png', Buffer.from([0xff])), { data: '/w==', base64: true })
  assert.deepEqual(binary({}, '[1]')[0]?.data, [1], 'no content type is JSON, as in the JSON format')
  assert.equal(binary({ 'content-type': 'image/png' })[0]?.data, null)
})

test('data_base64: JSON and text are decoded, bytes stay base64', () => {
  const data = (datacontenttype: string | undefined, bytes: Buffer) =>
    structured({ ...required, datacontenttype, data_base64: bytes.toString('base64') })[0]
  assert.deepEqual(data(undefined, Buffer.from('{"a":1}'))?.data, { a: 1 })
  assert.deepEqual(data('text/csv', Buffer.from('a;b'))?.data, 'a;b')
  assert.deepEqual(data('application/pdf', Buffer.from([1, 2]))?.data, 'AQI=')
  assert.deepEqual(
    issuesOf(() =>
      batch([required, { ...required, data_base64: 'e30' }, { ...required, data: 1, data_base64: 'e30=' }]),
    ),
    ['/1/data_base64 must be base64 with padding', '/2/data_base64 must not stand beside data'],
  )
  assert.match(
    issuesOf(() => data('application/json', Buffer.from('{')))[0] ?? '',
    /^\/data_base64 expected JSON/,
  )
  assert.match(
    issuesOf(() => data('text/plain', Buffer.from([0xff])))[0] ?? '',
    /^\/data_base64 expected UTF-8/,
  )
})

test('each attribute that is missing, empty, too long or of the wrong type is named', () => {
  const long = 'x'.repeat(MAX_ATTRIBUTE)
  assert.deepEqual(structured({ ...required, id: long, ext: long })[0]?.id, long)
  assert.deepEqual(
    issuesOf(() =>
      structured({ specversion: '0.3', id: '', source: `${long}x`, subject: 5, bad_name: 1, obj: {} }),
    ),
    [
      '/specversion must be "1.0", got "0.3"',
      '/subject must be a string, got a number',
      '/id must not be empty',
      '/source must be at most 1024 characters, got 1025',
      '/type is required',
      '/bad_name is not a name of an attribute: only a-z and 0-9',
      '/obj must be a string, got an object',
    ],
  )
  assert.deepEqual(
    issuesOf(() => structured({ id: '1', source: 's', type: 't' })),
    ['/specversion must be "1.0", got nothing'],
  )
  for (const id of ['a\u0000', 'a\nb', '\ud800', '\u009f']) {
    assert.deepEqual(
      issuesOf(() => structured({ ...required, id })),
      ['/id must not contain control characters or lone surrogates'],
    )
  }
  assert.deepEqual(
    issuesOf(() => binary({ 'ce-id': '%ff' })),
    ['/id must be percent-encoded UTF-8'],
  )
  assert.deepEqual(
    issuesOf(() => binary({ 'ce-x-y': '1' })),
    ['/x-y is not a name of an attribute: only a-z and 0-9'],
  )
  assert.deepEqual(
    issuesOf(() => structured(JSON.parse('{"__proto__":{"id":"x"},"specversion":"1.0"}'))),
    [
      '/id is required',
      '/source is required',
      '/type is required',
      '/__proto__ is not a name of an attribute: only a-z and 0-9',
    ],
  )
})

test('times are RFC 3339, and come out in UTC', () => {
  const time = (text: string) => structured({ ...required, time: text })[0]?.time
  assert.equal(time('2026-03-29T01:30:00.123456789+05:45'), '2026-03-28T19:45:00.123Z')
  assert.equal(time('2024-02-29t00:00:00z'), '2024-02-29T00:00:00.000Z')
  for (const bad of [
    '2025-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:00:00',
    '2026-01-01 00:00:00Z',
    '2026-01-01',
    '0000-01-01T00:00:00Z',
    'now',
    '1700000000',
  ]) {
    assert.match(issuesOf(() => time(bad))[0] ?? '', /^\/time must be an RFC 3339 time/, bad)
  }
})

test('a batch is taken as a whole or refused with the place of each mistake', () => {
  assert.deepEqual(batch([]), [])
  assert.equal(
    batch(Array.from({ length: MAX_BATCH }, (_, i) => ({ ...required, id: `${i}` }))).length,
    MAX_BATCH,
  )
  assert.deepEqual(
    issuesOf(() => batch([required, { ...required, id: undefined }, required, { ...required, type: '' }])),
    ['/1/id is required', '/3/type must not be empty'],
  )
  const tooMany = Array.from({ length: MAX_BATCH + 1 }, () => required)
  assert.throws(() => batch(tooMany), fails('TPT_BODY_INVALID', /at most 1000 events in a batch, got 1001/))
  assert.throws(() => batch(required), fails('TPT_BODY_INVALID', /expected an array, got an object/))
  assert.throws(() => batch([required, null]), fails('TPT_BODY_INVALID', /JSON object at \/1, got null/))
})

test('what is no CloudEvent is refused with how to send one', () => {
  const message = /application\/cloudevents\+json .* ce-specversion.*; got content-type "application\/json"/
  const plain = () => parseCloudEvents({ 'content-type': 'application/json' }, Buffer.from('{}'))
  assert.throws(plain, fails('TPT_CONTENT_TYPE', message))
  assert.throws(
    () => parseCloudEvents({}, Buffer.from('{}')),
    fails('TPT_CONTENT_TYPE', /got content-type ""/),
  )
  assert.throws(() => structured(required, 'application/cloudevents+avro'), fails('TPT_CONTENT_TYPE', /avro/))
  assert.throws(
    () => binary({ 'content-type': 'application/json' }, '{'),
    fails('TPT_BODY_INVALID', /expected JSON/),
  )
  assert.throws(() => structured('text'), fails('TPT_BODY_INVALID', /JSON object, got a string/))
})

const name = fc.string({
  minLength: 1,
  maxLength: 40,
  unit: fc.constantFrom(...Array.from('abcXYZ019-._~/é"')),
})

test('what the SDK sends is read, in all three modes', () => {
  fc.assert(
    fc.property(
      name,
      name,
      name,
      fc.jsonValue(),
      fc.date({ noInvalidDate: true, min: now }),
      (id, type, ext, data, date) => {
        const time = date.toISOString().replace(/^\+\d\d/, '')
        fc.pre(time.length === 24)
        const value = data === '' || data === undefined ? null : { wrapped: data }
        const peer = new Peer({
          id,
          type,
          source: '/peer',
          time,
          ext,
          datacontenttype: 'application/json',
          data: value,
        })
        const messages = [HTTP.structured(peer), HTTP.binary(encoded(peer)), batchOf([peer])]
        for (const { headers, body } of messages) {
          const lower = Object.fromEntries(
            Object.entries(headers).map(([key, text]) => [key.toLowerCase(), String(text)]),
          )
          const [event] = parseCloudEvents(lower, Buffer.from((body ?? '') as string), now)
          assert.deepEqual(
            {
              id: event?.id,
              type: event?.type,
              time: event?.time,
              ext: event?.extensions['ext'],
              data: event?.data,
            },
            { id, type, time, ext, data: JSON.parse(JSON.stringify(value)) },
          )
        }
      },
    ),
  )
})

/** The SDK leaves percent-encoding of headers, which the binding demands, to its caller. */
function encoded(event: Peer<unknown>): Peer<unknown> {
  const encode = (text: unknown): string => encodeURIComponent(String(text))
  return event.cloneWith({ id: encode(event.id), type: encode(event.type), ext: encode(event['ext']) }, false)
}

function batchOf(events: readonly Peer<unknown>[]): Message {
  return { headers: { 'Content-Type': 'application/cloudevents-batch+json' }, body: JSON.stringify(events) }
}

test('what we write is read by the SDK', () => {
  const envelope: Envelope & { request: object } = {
    specversion: '1.0',
    id: '1',
    source: '/http/POST/orders',
    type: 'http.request',
    subject: '/orders',
    time: now.toISOString(),
    data: { total: 3 },
    request: { method: 'POST' },
  }
  const body = JSON.stringify(toCloudEvent(envelope))
  const read = HTTP.toEvent({ headers: { 'content-type': 'application/cloudevents+json' }, body })
  assert.ok(read instanceof Peer)
  assert.equal(read.validate(), true)
  const { request: _, ...rest } = envelope
  assert.deepEqual(JSON.parse(JSON.stringify(read)), { ...rest, datacontenttype: 'application/json' })
  const [back] = parseCloudEvents({ 'content-type': 'application/cloudevents+json' }, Buffer.from(body))
  assert.deepEqual(toCloudEvent(back as Envelope), toCloudEvent(envelope))
})
