import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { CloudEvent, emitterFor, HTTP, Mode } from 'cloudevents'
import { createServer, type HttpServer } from '../../src/api/server.ts'
import { TappetError } from '../../src/errors.ts'
import { MAX_ATTRIBUTE } from '../../src/events/envelope.ts'
import { type Logger, silentLogger } from '../../src/lib/log.ts'
import type { Issue } from '../../src/lib/schema.ts'
import type { Outbox, OutboxMessage } from '../../src/outbox/outbox.ts'
import { createQueueAdapter, type QueueAdapter } from '../../src/triggers/queue/adapter.ts'
import { queue, type QueueTrigger } from '../../src/triggers/queue/declare.ts'
import type { QueueEvent } from '../../src/triggers/queue/event.ts'
import type { Emit, EmitOptions, Subscription } from '../../src/triggers/trigger.ts'

interface Emitted {
  readonly event: QueueEvent
  readonly functions: readonly string[]
  readonly options: EmitOptions
}

let server: HttpServer
let adapter: QueueAdapter
let base: string
let emitted: Emitted[]
let warnings: object[]
let fail: ((event: QueueEvent) => TappetError | null) | null
let fromSql: (rows: readonly OutboxMessage[]) => Promise<void>

const logger: Logger = { ...silentLogger, warn: (fields) => void warnings.push(fields) }

/** Only the part that hands rows on: the outbox itself has its own suite. */
const outbox = {
  take(_kind: string, deliver: (rows: readonly OutboxMessage[]) => Promise<void>) {
    fromSql = deliver
  },
} as unknown as Outbox

/** A ledger of one array: source and id name an event. */
const emit: Emit = async (envelope, subscriptions, options = {}) => {
  const event = envelope as QueueEvent
  const error = fail?.(event)
  if (error) throw error
  const known = emitted.findIndex(({ event: { source, id } }) => source === event.source && id === event.id)
  const place = known < 0 ? emitted.length : known
  if (known < 0)
    emitted.push({ event, functions: subscriptions.map(({ functionId }) => functionId), options })
  const runIds = emitted[place]?.functions.map((name) => `run_${place}_${name}`) ?? []
  return { eventId: `evt_${place}`, runIds, duplicate: known >= 0 }
}

function subscribe(functionId: string, name: string): Subscription<QueueTrigger> {
  return { functionId, index: 0, trigger: { ...queue(name), schemas: [] } }
}

beforeEach(async () => {
  emitted = []
  warnings = []
  fail = null
  server = createServer({ keys: ['key'], logger: silentLogger })
  adapter = createQueueAdapter({ server, outbox, logger })
  base = await server.listen({ host: '127.0.0.1', port: 0 })
  await adapter.start(
    [subscribe('mail', 'emails'), subscribe('audit', 'emails'), subscribe('place', 'orders')],
    emit,
  )
})

afterEach(async () => {
  await adapter.stop()
  await server.close()
})

interface Receipt {
  readonly id: string
  readonly event: string
  readonly runs: readonly string[]
  readonly duplicate: boolean
}

/** Any answer: a receipt, a list of them, or an error. */
interface Answer {
  readonly status: number
  readonly body: Receipt & {
    readonly accepted: readonly Receipt[]
    readonly error: { readonly code: string; readonly message: string; readonly issues: readonly Issue[] }
  }
}

async function post(
  path: string,
  body: string | Buffer,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(base + path, {
    method: 'POST',
    body,
    headers: { authorization: 'Bearer key', ...headers },
  })
  const text = await response.text()
  return { status: response.status, body: JSON.parse(text) }
}

const json = { 'content-type': 'application/json' }
const cloud = { 'content-type': 'application/cloudevents+json' }
const batch = { 'content-type': 'application/cloudevents-batch+json' }
const cloudEvent = (id: string, type = 'emails', more: object = {}) => ({
  specversion: '1.0',
  id,
  source: '/shop',
  type,
  ...more,
})

test('a message reaches every function of its queue', async () => {
  const { status, body } = await post(
    '/_tappet/queues/emails',
    '{"to":"a@b.co","__proto__":{"x":1},"n":"\\u0000"}',
    json,
  )
  assert.equal(status, 202)
  assert.match(body.id, /^msg_/)
  assert.deepEqual(
    { ...body, id: 0 },
    { id: 0, event: 'evt_0', runs: ['run_0_mail', 'run_0_audit'], duplicate: false },
  )
  const [{ event, functions, options }] = emitted as [Emitted]
  assert.deepEqual(functions, ['mail', 'audit'])
  assert.deepEqual(options, { delayMs: 0 })
  assert.equal(event.source, '/queue/emails')
  assert.equal(event.type, 'queue.message')
  assert.deepEqual(event.message, { queue: 'emails', headers: {} })
  assert.equal(JSON.stringify(event.data), '{"to":"a@b.co","__proto__":{"x":1},"n":"\\u0000"}')
})

test('key and delay come from the query or from headers', async () => {
  const first = await post('/_tappet/queues/orders?key=k%201&delay=10s', '1', json)
  const again = await post('/_tappet/queues/orders', '1', {
    ...json,
    'tappet-key': 'k 1',
    'tappet-delay': '1m',
  })
  assert.deepEqual(first.body, { id: 'k 1', event: 'evt_0', runs: ['run_0_place'], duplicate: false })
  assert.deepEqual(again.body, { ...first.body, duplicate: true })
  assert.equal(emitted[0]?.options.delayMs, 10_000)
  assert.equal((await post('/_tappet/queues/orders?delay=365d', '1', json)).status, 202)
  assert.equal((await post(`/_tappet/queues/orders?key=${'k'.repeat(MAX_ATTRIBUTE)}`, '1', json)).status, 202)
})

test('limits of name, key and delay are told with the field', async () => {
  const refused: [string, string][] = [
    [`/${'q'.repeat(201)}`, '/queue'],
    ['/a%20b', '/queue'],
    ['/a%00b', '/queue'],
    ['/a%E2%80%AEb', '/queue'],
    [`/q?key=${'k'.repeat(MAX_ATTRIBUTE + 1)}`, '/key'],
    ['/q?key=', '/key'],
    ['/q?key=%00', '/key'],
    ['/q?key=a&key=b', '/key'],
    ['/q?delay=10', '/delay'],
    ['/q?delay=366d', '/delay'],
  ]
  for (const [path, field] of refused) {
    const { status, body } = await post(`/_tappet/queues${path}`, '1', json)
    assert.equal(status, 422, path)
    assert.equal(body.error.code, 'TPT_EVENT_INVALID')
    assert.equal(body.error.issues[0]?.path, field)
  }
  assert.equal(emitted.length, 0)
  assert.equal((await post(`/_tappet/queues/${'q'.repeat(200)}`, '1', json)).status, 202)
  assert.equal((await post(`/_tappet/queues/${encodeURIComponent('é'.repeat(200))}`, '1', json)).status, 202)
  assert.ok((emitted[1]?.event.source.length ?? 0) <= MAX_ATTRIBUTE)
})

test('bodies: at most 1 MiB of JSON', async () => {
  const fits = JSON.stringify('x'.repeat(1_048_576 - 2))
  assert.equal((await post('/_tappet/queues/orders', fits, json)).status, 202)
  const refusals: [string, Record<string, string>, number, string][] = [
    [`${fits} `, json, 413, 'TPT_EVENT_TOO_LARGE'],
    ['{', json, 400, 'TPT_BODY_INVALID'],
    ['', json, 400, 'TPT_BODY_INVALID'],
    ['['.repeat(100_000), json, 400, 'TPT_BODY_INVALID'],
    ['a=1', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'TPT_CONTENT_TYPE'],
  ]
  for (const [body, headers, status, code] of refusals) {
    const answer = await post('/_tappet/queues/orders', body, headers)
    assert.deepEqual([answer.status, answer.body.error.code], [status, code])
  }
  assert.equal(emitted.length, 1)
})

test('both routes need a key', async () => {
  for (const path of ['/_tappet/events', '/_tappet/queues/orders']) {
    assert.equal((await post(path, '1', { ...json, authorization: 'Bearer other' })).status, 401)
  }
  assert.equal(emitted.length, 0)
})

test('the CloudEvents SDK delivers in all three modes; a redelivery is a duplicate', async () => {
  const sent = new CloudEvent({
    id: 'e1',
    source: '/shop',
    type: 'emails',
    subject: 's',
    traceid: 't',
    data: { to: 'a' },
  })
  const transport = (mode: Mode) =>
    emitterFor(
      async (message) =>
        post('/_tappet/events', String(message.body), message.headers as Record<string, string>),
      {
        mode,
        binding: HTTP,
      },
    )
  const first = (await transport(Mode.BINARY)(sent)) as Answer
  const again = (await transport(Mode.STRUCTURED)(sent)) as Answer
  const third = await post('/_tappet/events', JSON.stringify([sent, cloudEvent('e2', 'orders')]), batch)
  const receipt = { id: 'e1', event: 'evt_0', runs: ['run_0_mail', 'run_0_audit'], duplicate: false }
  assert.deepEqual([first.status, first.body], [202, { accepted: [receipt] }])
  assert.deepEqual([again.status, again.body], [202, { accepted: [{ ...receipt, duplicate: true }] }])
  assert.deepEqual(third.body.accepted[0], { ...receipt, duplicate: true })
  assert.deepEqual(third.body.accepted[1]?.runs, ['run_1_place'])
  const { source, id, type, subject, data, message } = (emitted[0] as Emitted).event
  assert.deepEqual(
    { source, id, type, subject, data },
    { source: '/shop', id: 'e1', type: 'queue.message', subject: 's', data: { to: 'a' } },
  )
  assert.equal(message.queue, 'emails')
  assert.equal(message.headers['traceid'], 't')
  assert.match(message.headers['datacontenttype'] ?? '', /application\/json/)
})

test('bytes arrive as base64, and say so', async () => {
  const headers = {
    'content-type': 'image/png',
    'ce-specversion': '1.0',
    'ce-id': '1',
    'ce-source': 's',
    'ce-type': 'orders',
  }
  assert.equal((await post('/_tappet/events', Buffer.from([0xff, 0]), headers)).status, 202)
  const { data, message } = (emitted[0] as Emitted).event
  assert.equal(data, '/wA=')
  assert.deepEqual(message.headers, { datacontenttype: 'image/png', datacontentencoding: 'base64' })
})

test('plain JSON on the events route is refused with how to send it', async () => {
  const { status, body } = await post('/_tappet/events', '{"a":1}', json)
  assert.equal(status, 415)
  assert.match(body.error.message, /application\/cloudevents\+json/)
})

test('a batch with an event that is none stores nothing', async () => {
  const { status, body } = await post(
    '/_tappet/events',
    JSON.stringify([cloudEvent('1'), cloudEvent('')]),
    batch,
  )
  assert.equal(status, 422)
  assert.deepEqual(body.error.issues, [{ path: '/1/id', message: 'must not be empty' }])
  assert.equal(emitted.length, 0)
})

test('events that functions refuse are listed, the others are accepted', async () => {
  const issues = [{ path: '/data/to', message: 'is required' }]
  fail = ({ id }) => (id === 'bad' ? new TappetError('TPT_EVENT_INVALID', 'no', { issues }) : null)
  const single = await post('/_tappet/events', JSON.stringify(cloudEvent('bad')), cloud)
  assert.deepEqual([single.status, single.body.error.issues], [422, issues])
  const both = await post('/_tappet/events', JSON.stringify([cloudEvent('good'), cloudEvent('bad')]), batch)
  assert.equal(both.status, 422)
  assert.deepEqual(both.body.error.issues, [{ path: '/1/data/to', message: 'is required' }])
  assert.deepEqual(
    both.body.accepted.map(({ id }) => id),
    ['good'],
  )
  fail = ({ id }) => (id === 'good' ? null : new TappetError('TPT_UNAVAILABLE', 'down'))
  assert.equal(
    (await post('/_tappet/events', JSON.stringify([cloudEvent('good'), cloudEvent('x')]), batch)).status,
    503,
  )
})

test('a queue without listeners keeps the event, and warns once', async () => {
  const first = await post('/_tappet/queues/nobody', '1', json)
  await post('/_tappet/queues/nobody', '2', json)
  assert.deepEqual([first.status, first.body.runs], [202, []])
  assert.equal(emitted.length, 2)
  assert.deepEqual(warnings, [{ queue: 'nobody' }])
  await adapter.update([subscribe('late', 'nobody')])
  await adapter.send({ queue: 'nobody', data: 3, key: null, delayMs: 0, headers: { a: 'b' } })
  assert.deepEqual(emitted[2]?.functions, ['late'])
  assert.deepEqual(emitted[2]?.event.message.headers, { a: 'b' })
})

test('messages of SQL are kept even if invalid; a name that is too long has a digest', async () => {
  const row = {
    kind: 'message',
    queue: 'emails',
    data: { a: 1 },
    delayMs: 5,
    time: '2026-01-01T00:00:00Z',
  } as const
  await fromSql([
    { ...row, uid: 'u1', key: null },
    { ...row, uid: 'u2', key: 'k' },
    { ...row, uid: 'u3', key: 'k'.repeat(MAX_ATTRIBUTE + 1) },
    { ...row, uid: 'u4', key: '', queue: 'q'.repeat(5_000), delayMs: 1e15 },
  ])
  assert.deepEqual(
    emitted.map(({ event: { id } }) => id.replace(/-[\da-f]{64}$/, '-…')),
    ['u1', 'k', 'sha256-…', 'u4'],
  )
  assert.deepEqual(emitted[0]?.options, { delayMs: 5, invalid: 'keep' })
  assert.equal(emitted[0]?.event.time, row.time)
  assert.equal(emitted[3]?.options.delayMs, 365 * 86_400_000)
  assert.match(emitted[3]?.event.source ?? '', /^\/queue\/sha256-[\da-f]{64}$/)
  fail = ({ id }) => (id === 'u6' ? new TappetError('TPT_UNAVAILABLE', 'down') : null)
  await assert.rejects(
    fromSql([
      { ...row, uid: 'u6', key: null },
      { ...row, uid: 'u7', key: null },
    ]),
    /down/,
  )
  assert.equal(emitted.at(-1)?.event.id, 'u7')
})

test('a bad name is a problem of its declaration; the others are served', async () => {
  await adapter.update([subscribe('bad', 'a b'), subscribe('good', 'orders')])
  assert.deepEqual(adapter.problems(), [
    {
      functionId: 'bad',
      label: 'queue a b',
      message: `the queue's name must be 1 to 200 visible characters without spaces, got "a b"`,
    },
  ])
  assert.equal((await post('/_tappet/queues/orders', '1', json)).body.runs.length, 1)
})

test('stopping waits for what is under way and refuses the rest', async () => {
  let release = (): void => undefined
  const slow = new Promise<void>((resolve) => (release = resolve))
  await adapter.start([subscribe('place', 'orders')], async (...args) => {
    await slow
    return emit(...args)
  })
  const sending = adapter.send({ queue: 'orders', data: 1, key: 'k', delayMs: 0 })
  let stopped = false
  const stopping = adapter.stop().then(() => (stopped = true))
  await assert.rejects(adapter.send({ queue: 'orders', data: 1, key: null, delayMs: 0 }), {
    code: 'TPT_SHUTDOWN',
  })
  assert.equal((await post('/_tappet/queues/orders', '1', json)).status, 503)
  await assert.rejects(
    fromSql([{ kind: 'message', uid: 'u', queue: 'orders', data: 1, key: null, delayMs: 0, time: '' }]),
  )
  assert.equal(stopped, false)
  release()
  assert.equal((await sending).eventId, 'evt_0')
  await stopping
  await adapter.stop()
})
