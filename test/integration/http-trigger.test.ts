import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'

import { createServer, type HttpServer } from '../../src/api/server.ts'
import { type Failure, TappetError } from '../../src/errors.ts'
import type { Envelope } from '../../src/events/envelope.ts'
import { encodeResponse } from '../../src/events/response.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { createHttpAdapter } from '../../src/triggers/http/adapter.ts'
import type { HttpTrigger } from '../../src/triggers/http/declare.ts'
import type { HttpEvent } from '../../src/triggers/http/event.ts'
import { signature } from '../../src/triggers/http/signatures.ts'
import type {
  Accepted,
  Emit,
  EmitOptions,
  RunEnd,
  Subscription,
  TriggerAdapter,
} from '../../src/triggers/trigger.ts'
import { eventually } from '../support/eventually.ts'
import { rawExchange } from '../support/http-client.ts'
import { declared, subscribed } from '../support/http-trigger.ts'

const SECRET = 'a-secret-of-some-length'
const NOW_MS = 1_700_000_000_000
const LIMIT = 1_000
const BODY_TIMEOUT_MS = 300

interface Emitted {
  readonly event: HttpEvent
  readonly subscriptions: readonly Subscription[]
  readonly options: EmitOptions | undefined
}

interface Rig {
  readonly server: HttpServer
  readonly adapter: TriggerAdapter<HttpTrigger>
  readonly port: number
  readonly url: string
}

const ROUTES = [
  subscribed('orders/place', declared('post', '/orders', { maxBytes: LIMIT, headers: ['X-Tenant'] })),
  subscribed('orders/show', declared('get', '/orders/:id')),
  subscribed('waited', declared('post', '/wait', { wait: '30s' })),
  subscribed('impatient', declared('post', '/impatient', { wait: '20ms' })),
  subscribed('hooks/github', declared('post', '/hooks/github', { verify: signature.github('SECRET') })),
  subscribed('hooks/slack', declared('post', '/hooks/slack', { verify: signature.slack('SECRET') })),
  subscribed('hooks/keyed', declared('post', '/hooks/keyed', { verify: signature.apiKey('SECRET') })),
  subscribed('hooks/unset', declared('post', '/hooks/unset', { verify: signature.github('NOT_SET') })),
]

let emitted: Emitted[] = []
/** What the ledger holds: the names of events, and the run of each. */
let ledger = new Map<string, string>()
let refuseWith: Error | null = null
let endOf: (runId: string, timeoutMs: number) => Promise<RunEnd | null>
let rig: Rig

/** Remembers as the ledger does: an event with a known name is a duplicate, and has the run of the first. */
const emit: Emit = async (event: Envelope, subscriptions, options): Promise<Accepted> => {
  if (refuseWith) throw refuseWith
  const names = [event.id, ...(options?.aliases ?? [])].map((name) => `${event.source} ${name}`)
  const known = names.map((name) => ledger.get(name)).find((run) => run !== undefined)
  const runId = known ?? `run_${ledger.size}`
  if (known === undefined) {
    for (const name of names) ledger.set(name, runId)
    emitted.push({ event: JSON.parse(JSON.stringify(event)), subscriptions, options })
  }
  return { eventId: `evt_${runId.slice(4)}`, runIds: [runId], duplicate: known !== undefined }
}

async function open(routes = ROUTES, to = emit): Promise<Rig> {
  const server = createServer({ keys: [], logger: silentLogger, requestTimeoutMs: BODY_TIMEOUT_MS })
  const adapter = createHttpAdapter({
    server,
    awaitRun: (runId, timeoutMs) => endOf(runId, timeoutMs),
    findEvent: async (eventId) => emitted[Number(eventId.slice(4))]?.event ?? null,
    secret: (name) => (name === 'SECRET' ? SECRET : undefined),
    nowMs: () => NOW_MS,
    logger: silentLogger,
    stopGraceMs: 50,
  })
  await adapter.start(routes, to)
  await server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = server.server.address() as AddressInfo
  return { server, adapter, port, url: `http://127.0.0.1:${port}` }
}

async function close({ server, adapter }: Rig): Promise<void> {
  await adapter.stop()
  await server.close()
}

before(async () => {
  rig = await open()
})
after(() => close(rig))
beforeEach(() => {
  emitted = []
  ledger = new Map()
  refuseWith = null
  endOf = () => new Promise((resolve) => setTimeout(resolve, 20, null))
})

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Of a JSON body. */
  readonly body: Record<string, unknown> & {
    readonly error?: { code: string; message: string; issues?: unknown }
  }
}

async function send(
  path: string,
  body: string | Buffer | null = null,
  headers: Record<string, string> = {},
  method = 'POST',
): Promise<Answer> {
  const init = { method, headers, body }
  const response = await fetch(`${rig.url}${path}`, init)
  const text = await response.text()
  const json = text !== '' && response.headers.get('content-type')?.startsWith('application/json')
  return { status: response.status, headers: response.headers, text, body: json ? JSON.parse(text) : {} }
}

const JSON_HEADERS = { 'content-type': 'application/json' }
const github = (body: string): string => `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`

describe('accepting', () => {
  test('G1: 202 with the run, after the event was emitted', async () => {
    const answer = await send('/orders?source=web', '{"total":5}', {
      ...JSON_HEADERS,
      'x-tenant': 't1',
      cookie: 'c=1',
    })
    assert.equal(answer.status, 202)
    assert.deepEqual(answer.body, {
      run: 'run_0',
      event: 'evt_0',
      status: '/_tappet/runs/run_0',
      duplicate: false,
    })
    assert.equal(answer.headers.get('location'), '/_tappet/runs/run_0')
    assert.equal(answer.headers.get('tappet-run-id'), 'run_0')
    assert.equal(answer.headers.get('tappet-duplicate'), null)
    const [{ event, subscriptions, options } = assert.fail()] = emitted
    assert.equal(subscriptions[0]?.functionId, 'orders/place')
    assert.deepEqual(options, { aliases: [] })
    assert.equal(event.source, '/http/POST/orders')
    assert.match(event.id, /^msg_/)
    assert.equal(event.time, '2023-11-14T22:13:20.000Z')
    assert.deepEqual(event.data, { total: 5 })
    assert.deepEqual(event.request.query, { source: 'web' })
    assert.equal(event.request.headers['x-tenant'], 't1')
    assert.equal(event.request.headers['cookie'], undefined)
  })

  test('a GET with parameters and no body', async () => {
    const answer = await send('/orders/a%2Fb?x=1', null, {}, 'GET')
    assert.equal(answer.status, 202)
    assert.deepEqual(emitted[0]?.event.request.params, { id: 'a/b' })
    assert.equal(emitted[0].event.data, null)
    assert.equal(emitted[0].event.request.encoding, 'none')
  })

  test('G8: the same Idempotency-Key again is the same run', async () => {
    const headers = { ...JSON_HEADERS, 'idempotency-key': 'k'.repeat(255) }
    const first = await send('/orders', '1', headers)
    const again = await send('/orders', '1', headers)
    assert.equal(again.status, first.status)
    assert.equal(again.body['run'], first.body['run'])
    assert.equal(again.body['duplicate'], true)
    assert.equal(again.headers.get('tappet-duplicate'), 'true')
    assert.equal(emitted.length, 1)
    const long = await send('/orders', '1', { ...headers, 'idempotency-key': 'k'.repeat(256) })
    assert.equal(long.status, 400)
    assert.equal(long.body.error?.code, 'TPT_REQUEST_INVALID')
  })

  test('G8: the same Idempotency-Key with another request is refused, and makes nothing', async () => {
    const headers = { ...JSON_HEADERS, 'idempotency-key': 'order-7' }
    assert.equal((await send('/orders?a=1', '{"n":1,"m":2}', headers)).status, 202)
    assert.equal((await send('/orders?a=1', '{"m":2, "n":1}', headers)).status, 202)
    for (const [path, body, what] of [
      ['/orders?a=1', '{"n":2}', 'body'],
      ['/orders?a=2', '{"n":1,"m":2}', 'query'],
    ] as const) {
      const other = await send(path, body, headers)
      assert.equal(other.status, 422)
      assert.equal(other.body.error?.code, 'TPT_KEY_REUSED')
      assert.match(other.body.error?.message ?? '', new RegExp(`another ${what} at first`))
    }
    assert.equal(emitted.length, 1)
  })

  test('G9: a body as large as the trigger allows, not a byte more', async () => {
    assert.equal((await send('/orders', 'x'.repeat(LIMIT), { 'content-type': 'text/plain' })).status, 202)
    const large = await send('/orders', 'x'.repeat(LIMIT + 1), { 'content-type': 'text/plain' })
    assert.equal(large.status, 413)
    assert.equal(large.body.error?.code, 'TPT_EVENT_TOO_LARGE')
    assert.equal((await send('/orders', Buffer.alloc(10_000_000), JSON_HEADERS)).status, 413)
    const bomb = gzipSync(Buffer.alloc(5_000_000))
    assert.equal((await send('/orders/', bomb, { 'content-encoding': 'gzip' })).status, 404)
    assert.equal((await send('/wait', bomb, { 'content-encoding': 'gzip' })).status, 413)
    assert.equal(emitted.length, 1)
  })

  test('bodies of every kind, compressed or not', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    assert.equal((await send('/orders', 'a=1&a=2', form)).status, 202)
    assert.equal((await send('/orders', 'hello', { 'content-type': 'text/plain' })).status, 202)
    assert.equal((await send('/orders', Buffer.from([0, 255]), { 'content-type': 'image/png' })).status, 202)
    assert.equal(
      (await send('/orders', gzipSync('{"z":1}'), { ...JSON_HEADERS, 'content-encoding': 'gzip' })).status,
      202,
    )
    const kinds = emitted.map(({ event }) => [event.request.encoding, event.data])
    assert.deepEqual(kinds, [
      ['form', { a: ['1', '2'] }],
      ['text', 'hello'],
      ['base64', 'AP8='],
      ['json', { z: 1 }],
    ])
  })
})

describe('refusing', () => {
  test('404 with the route that was probably meant', async () => {
    const answer = await send('/order', '{}')
    assert.equal(answer.status, 404)
    assert.equal(answer.body.error?.code, 'TPT_ROUTE_NOT_FOUND')
    assert.match(answer.body.error.message, /Did you mean POST \/orders\?$/)
    for (const path of ['/healthz', '/metrics', '/_tappet/nothing'])
      assert.equal((await send(path)).status, 404, path)
  })

  test('405 with the methods that the path has', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await send('/orders', null, {}, method)
      assert.equal(answer.status, 405, method)
      assert.equal(answer.headers.get('allow'), 'POST')
      assert.equal(answer.body.error?.code, 'TPT_METHOD_NOT_ALLOWED')
    }
    const head = await send('/orders/7', null, {}, 'HEAD')
    assert.equal(head.status, 405)
    assert.equal(head.headers.get('allow'), 'GET')
  })

  test('400 for a body that is not what it says', async () => {
    const bodies = ['{', '\0', '['.repeat(900) + '!', '"\udfff']
    for (const body of bodies) {
      const answer = await send('/orders', body, JSON_HEADERS)
      assert.equal(answer.status, 400)
      assert.equal(answer.body.error?.code, 'TPT_BODY_INVALID')
    }
    const deep = await send('/wait', '['.repeat(100_000) + ']'.repeat(100_000), JSON_HEADERS)
    assert.equal(deep.status, 400)
    assert.equal(emitted.length, 0)
  })

  test('`__proto__`, NUL and half a surrogate pair are carried', async () => {
    const text = String.raw`{"__proto__":{"x":1},"nul":"\u0000","half":"\ud800"}`
    assert.equal((await send('/orders', text, JSON_HEADERS)).status, 202)
    assert.equal(JSON.stringify(emitted[0]?.event.data), text)
    assert.equal(({} as { x?: number }).x, undefined)
  })

  test('415 for multipart, unknown encodings and charsets', async () => {
    const types = ['multipart/form-data; boundary=x', 'application/json; charset=utf-16']
    for (const type of types) {
      const answer = await send('/orders', 'x', { 'content-type': type })
      assert.equal(answer.status, 415, type)
      assert.equal(answer.body.error?.code, 'TPT_CONTENT_TYPE')
    }
    assert.equal((await send('/orders', 'x', { 'content-encoding': 'zstd' })).status, 415)
  })

  test('422 with what the schema said', async () => {
    const issues = [{ path: '/data/email', message: 'Invalid email' }]
    refuseWith = new TappetError('TPT_EVENT_INVALID', 'The event is not what the function takes.', { issues })
    const answer = await send('/orders', '{}', JSON_HEADERS)
    assert.equal(answer.status, 422)
    assert.deepEqual(answer.body.error?.issues, issues)
  })

  test('G1, G9: 503 with Retry-After when the ledger does not answer', async () => {
    refuseWith = new TappetError('TPT_UNAVAILABLE', 'The ledger did not answer within 2 s.')
    const answer = await send('/orders', '{}', JSON_HEADERS)
    assert.equal(answer.status, 503)
    assert.equal(answer.headers.get('retry-after'), '1')
    assert.equal(answer.body.error?.code, 'TPT_UNAVAILABLE')
    refuseWith = new Error('connection to postgres://user:password@host failed')
    const broken = await send('/orders', '{}', JSON_HEADERS)
    assert.equal(broken.status, 500)
    assert.doesNotMatch(broken.text, /password/)
  })

  test('408 for a body that stops coming, and no event', async () => {
    const head = 'POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{"a"'
    assert.match(await rawExchange(rig.port, [head]), /^HTTP\/1\.1 408 .*TPT_REQUEST_TIMEOUT/s)
    assert.equal(emitted.length, 0)
  })

  test('400 for what is not HTTP, and no event', async () => {
    const host = 'POST /orders HTTP/1.1\r\nHost: a\r\n'
    const smuggled = [
      `${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      `${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}`,
      `${host}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
      `${host}Content-Length: +1\r\n\r\n1`,
      `${host}Content-Length: 0x1\r\n\r\n1`,
      'POST /orders\r\n\r\n',
      'GET /orders/%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    ]
    for (const bytes of smuggled)
      assert.match(await rawExchange(rig.port, [bytes]), /^HTTP\/1\.1 400 /, bytes)
    assert.equal(emitted.length, 0)
  })
})

describe('verifying', () => {
  test('401 with one body for every cause; nothing is parsed or emitted before', async () => {
    const body = '{"zen":1}'
    const causes: readonly Record<string, string>[] = [
      {},
      { 'x-hub-signature-256': '' },
      { 'x-hub-signature-256': 'sha256=00' },
      { 'x-hub-signature-256': github(`${body} `) },
      { 'x-hub-signature': github(body) },
    ]
    const texts = new Set<string>()
    for (const headers of causes) {
      const answer = await send('/hooks/github', body, { ...JSON_HEADERS, ...headers })
      assert.equal(answer.status, 401)
      texts.add(answer.text)
    }
    texts.add((await send('/hooks/github', 'not json', JSON_HEADERS)).text)
    texts.add((await send('/hooks/keyed', '{}', { authorization: 'Bearer wrong' })).text)
    assert.equal(texts.size, 1)
    assert.match([...texts].join(), /TPT_SIGNATURE_INVALID/)
    assert.equal(emitted.length, 0)
  })

  test('G3: the raw bytes count, and a captured request under a new delivery id is a duplicate', async () => {
    const body = '{ "zen" : "ü",\n"n":1.0 }'
    const headers = {
      ...JSON_HEADERS,
      'x-hub-signature-256': github(body),
      'x-github-delivery': 'd-1',
      'x-github-event': 'push',
    }
    const first = await send('/hooks/github', body, headers)
    assert.equal(first.status, 202)
    const replayed = await send('/hooks/github', body, { ...headers, 'x-github-delivery': 'd-2' })
    assert.equal(replayed.status, 202)
    assert.equal(replayed.body['run'], first.body['run'])
    assert.equal(replayed.headers.get('tappet-duplicate'), 'true')
    assert.equal(emitted.length, 1)
    assert.equal(emitted[0]?.event.id, 'd-1')
    assert.match(emitted[0].options?.aliases?.[0] ?? '', /^sha256:[0-9a-f]{64}$/)
    assert.equal(emitted[0].event.request.headers['x-github-event'], 'push')
    assert.doesNotMatch(JSON.stringify(emitted), /sha256=/)
  })

  test('a signed body must not be compressed, one with a key may', async () => {
    const body = gzipSync('{"a":1}')
    const signed = { 'x-hub-signature-256': github('{"a":1}'), 'content-encoding': 'gzip' }
    assert.equal((await send('/hooks/github', body, signed)).status, 415)
    const keyed = { ...JSON_HEADERS, authorization: `Bearer ${SECRET}`, 'content-encoding': 'gzip' }
    assert.equal((await send('/hooks/keyed', body, keyed)).status, 202)
    assert.doesNotMatch(JSON.stringify(emitted), new RegExp(SECRET))
  })

  test('Slack’s handshake is answered, but only when it is signed', async () => {
    const body = '{"type":"url_verification","challenge":"3eZbrw1aB","token":"x"}'
    const time = String(NOW_MS / 1_000)
    const digest = createHmac('sha256', SECRET).update(`v0:${time}:${body}`).digest('hex')
    const headers = {
      ...JSON_HEADERS,
      'x-slack-request-timestamp': time,
      'x-slack-signature': `v0=${digest}`,
    }
    const answer = await send('/hooks/slack', body, headers)
    assert.equal(answer.status, 200)
    assert.equal(answer.text, '3eZbrw1aB')
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain/)
    assert.equal((await send('/hooks/slack', body, { ...headers, 'x-slack-signature': 'v0=00' })).status, 401)
    assert.equal(emitted.length, 0)
  })

  test('503 while the secret is missing, never open', async () => {
    const answer = await send('/hooks/unset', '{}', { 'x-hub-signature-256': github('{}') })
    assert.equal(answer.status, 503)
    assert.equal(answer.headers.get('retry-after'), '1')
    assert.equal(answer.body.error?.code, 'TPT_CONFIG_INVALID')
    assert.doesNotMatch(answer.text, /NOT_SET/)
    assert.equal(emitted.length, 0)
    assert.deepEqual(rig.adapter.problems(), [
      {
        functionId: 'hooks/unset',
        label: 'POST /hooks/unset',
        message: '`verify` needs the secret in the environment variable NOT_SET, which is not set',
      },
    ])
  })
})

describe('waiting for the result', () => {
  const ended = (end: Partial<RunEnd>) => {
    endOf = async () => ({ state: 'completed', result: null, failure: null, ...end })
  }
  const failed = (failure: Partial<Failure>): Failure => ({
    name: 'Error',
    message: 'no stock left',
    stack: 'Error: no stock left\n    at secret/path.ts:1',
    code: null,
    retryable: true,
    retryAfterMs: null,
    ...failure,
  })

  test('a plain value is JSON', async () => {
    for (const result of [{ id: 7 }, [1], 'text', 5, false, null]) {
      ended({ result })
      const answer = await send('/wait', '{}', JSON_HEADERS)
      assert.equal(answer.status, 200)
      assert.match(answer.headers.get('content-type') ?? '', /^application\/json/)
      assert.equal(answer.headers.get('tappet-run-id'), `run_${emitted.length - 1}`)
      assert.deepEqual(JSON.parse(answer.text), result)
    }
    ended({ result: undefined })
    assert.equal((await send('/wait')).text, 'null')
  })

  test('a Response is itself, without what belongs to the connection', async () => {
    const headers = new Headers({
      'content-type': 'image/gif',
      'x-mine': 'yes',
      'tappet-run-id': 'forged',
      connection: 'close',
    })
    for (const [name, value] of [
      ['content-length', '3'],
      ['transfer-encoding', 'chunked'],
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ] as const) {
      headers.append(name, value)
    }
    ended({
      result: await encodeResponse(new Response(Buffer.from([1, 2, 3, 255]), { status: 418, headers })),
    })
    const response = await fetch(`${rig.url}/wait`, { method: 'POST' })
    assert.equal(response.status, 418)
    assert.deepEqual([...Buffer.from(await response.arrayBuffer())], [1, 2, 3, 255])
    assert.equal(response.headers.get('content-type'), 'image/gif')
    assert.equal(response.headers.get('x-mine'), 'yes')
    assert.equal(response.headers.get('tappet-run-id'), 'run_0')
    assert.equal(response.headers.get('content-length'), '4')
    assert.equal(response.headers.get('connection'), 'keep-alive')
    assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2'])
  })

  test('a Response without a body', async () => {
    for (const status of [204, 304, 200]) {
      ended({ result: await encodeResponse(new Response(null, { status, headers: { etag: '"1"' } })) })
      const answer = await send('/wait')
      assert.equal(answer.status, status)
      assert.equal(answer.text, '')
      assert.equal(answer.headers.get('etag'), '"1"')
    }
  })

  test('what only looks like a Response breaks nothing', async () => {
    for (const response of [
      null,
      {},
      { status: 99, headers: [], body: '' },
      { status: 200, headers: 'x', body: '' },
      { status: 200, headers: [null], body: '' },
      7,
    ]) {
      ended({ result: { '~response': response } })
      const answer = await send('/wait')
      assert.equal(answer.status, 500, JSON.stringify(response))
      assert.equal(answer.body.error?.code, 'TPT_RESULT_INVALID')
    }
    const headers = [
      ['a b', 'x'],
      ['x-split', 'a\r\nb: c'],
      ['x-ok', '1'],
      ['x-num', 1],
    ]
    ended({ result: { '~response': { status: 200, headers, body: 'aGk=' } } })
    const answer = await send('/wait')
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('x-ok'), '1')
    assert.equal(answer.headers.get('b'), null)
    assert.equal(answer.text, 'hi')
  })

  test('a dead run is an error with the message that was thrown for its reader, never its stack', async () => {
    ended({ state: 'dead', failure: failed({ name: 'FatalError' }) })
    const answer = await send('/wait')
    assert.equal(answer.status, 500)
    assert.equal(answer.body.error?.code, 'TPT_FUNCTION_FAILED')
    assert.equal(answer.body.error.message, 'no stock left')
    assert.doesNotMatch(answer.text, /secret\/path/)
    assert.equal(answer.headers.get('tappet-run-id'), 'run_0')
  })

  test('no other message of a function gets out', async () => {
    ended({ state: 'dead', failure: failed({ code: '23505' }) })
    const answer = await send('/wait')
    assert.deepEqual([answer.status, answer.body.error?.code], [500, 'TPT_FUNCTION_FAILED'])
    assert.equal(answer.body.error?.message, 'The function failed: see run_0.')
    assert.doesNotMatch(answer.text, /stock/)
  })

  test('a code of ours keeps its status', async () => {
    const codes = {
      TPT_TIMEOUT: 504,
      TPT_EVENT_INVALID: 422,
      TPT_NOT_FOUND: 404,
      constructor: 500,
      '23505': 500,
    }
    for (const [code, status] of Object.entries(codes)) {
      ended({ state: 'dead', failure: failed({ code }) })
      assert.equal((await send('/wait')).status, status, code)
    }
    ended({ state: 'dead' })
    assert.equal((await send('/wait')).status, 500)
    ended({ state: 'cancelled' })
    const cancelled = await send('/wait')
    assert.equal(cancelled.status, 409)
    assert.equal(cancelled.body.error?.code, 'TPT_CONFLICT')
  })

  test('G8: 202 at the deadline, and when the end cannot be had', async () => {
    let asked = 0
    endOf = async (_run, timeoutMs) => {
      asked = timeoutMs
      return null
    }
    const late = await send('/impatient', '{}', JSON_HEADERS)
    assert.equal(late.status, 202)
    assert.equal(asked, 20)
    assert.equal(late.headers.get('location'), '/_tappet/runs/run_0')
    endOf = async () => {
      throw new Error('redis is away')
    }
    assert.equal((await send('/impatient', '{}', JSON_HEADERS)).status, 202)
    assert.equal(emitted.length, 2)
  })

  test('G8: a duplicate gets the stored result', async () => {
    endOf = async (runId) => ({ state: 'completed', result: { runId }, failure: null })
    const headers = { 'idempotency-key': 'once' }
    const first = await send('/wait', '{}', headers)
    const again = await send('/wait', '{}', headers)
    assert.deepEqual([first.status, again.status], [200, 200])
    assert.equal(again.text, first.text)
    assert.equal(again.headers.get('tappet-duplicate'), 'true')
    assert.equal(emitted.length, 1)
  })

  test('a duplicate whose run is not kept any more gets 202', async () => {
    const retired: Emit = async () => ({ eventId: 'evt_old', runIds: [], duplicate: true })
    const other = await open(ROUTES, retired)
    try {
      for (const path of ['/orders', '/wait']) {
        const response = await fetch(`${other.url}${path}`, { method: 'POST' })
        assert.equal(response.status, 202)
        assert.deepEqual(await response.json(), { event: 'evt_old', duplicate: true })
        assert.equal(response.headers.get('tappet-duplicate'), 'true')
        assert.equal(response.headers.get('tappet-run-id'), null)
      }
    } finally {
      await close(other)
    }
  })

  test('G8: a caller who goes away does not disturb the run or anybody else', async () => {
    let finish: (end: RunEnd) => void = () => undefined
    endOf = () => new Promise((resolve) => (finish = resolve))
    const request = httpRequest({ port: rig.port, host: '127.0.0.1', path: '/wait', method: 'POST' })
    request.on('error', () => undefined)
    request.end('{}')
    await eventually(() => emitted.length === 1, 'the event')
    request.destroy()
    finish({ state: 'completed', result: 1, failure: null })
    assert.equal((await send('/orders', '{}', JSON_HEADERS)).status, 202)
  })
})

describe('changing and stopping', () => {
  test('routes are replaced while requests come, without a gap for those that stay', async () => {
    const other = await open([
      subscribed('stays', declared('post', '/stays')),
      subscribed('goes', declared('post', '/goes')),
    ])
    const post = async (path: string): Promise<number> => {
      const response = await fetch(`${other.url}${path}`, { method: 'POST', body: '{}' })
      await response.arrayBuffer()
      return response.status
    }
    try {
      assert.equal(await post('/goes'), 202)
      const posts = Array.from({ length: 40 }, async (_, at) => {
        const routes = [
          subscribed('stays', declared('post', '/stays')),
          subscribed('new', declared('post', `/new${at}`)),
        ]
        await other.adapter.update(routes)
        return post('/stays')
      })
      assert.deepEqual(new Set(await Promise.all(posts)), new Set([202]))
      assert.equal(await post('/goes'), 404)
      assert.equal(await post('/new39'), 202)
      await other.adapter.update([
        subscribed('bad', declared('post', '/_tappet/x')),
        subscribed('ok', declared('post', '/ok')),
      ])
      assert.equal(other.adapter.problems().length, 1)
      assert.equal(await post('/ok'), 202)
    } finally {
      await close(other)
    }
  })

  test('before start there is 503', async () => {
    const server = createServer({ keys: [], logger: silentLogger })
    createHttpAdapter({
      server,
      awaitRun: async () => null,
      findEvent: async () => null,
      secret: () => undefined,
      nowMs: Date.now,
      logger: silentLogger,
    })
    await server.listen({ host: '127.0.0.1', port: 0 })
    const { port } = server.server.address() as AddressInfo
    const response = await fetch(`http://127.0.0.1:${port}/orders`, { method: 'POST' })
    assert.equal(response.status, 503)
    assert.match(await response.text(), /TPT_UNAVAILABLE/)
    await server.close()
  })

  test('G1, G8: stop lets started emits settle, sends waiting callers home, and then refuses', async () => {
    let settle: () => void = () => undefined
    let started = 0
    const slow: Emit = async (...given) => {
      started++
      await new Promise<void>((resolve) => (settle = resolve))
      return emit(...given)
    }
    endOf = () => new Promise(() => undefined)
    const other = await open(ROUTES, slow)
    const inFlight = fetch(`${other.url}/wait`, { method: 'POST', body: '{}' })
    await eventually(() => started === 1, 'the emit')

    const half = connect(other.port, '127.0.0.1')
    let answer = ''
    half.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk))
    half.write('POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{')
    await eventually(
      () => other.server.server.listening && countConnections(other.server, 2),
      'the second connection',
    )

    let stopped = false
    const stopping = other.adapter.stop().then(() => (stopped = true))
    half.write('}')
    await eventually(() => answer.includes('TPT_SHUTDOWN'), 'the refusal of a body that was half there')
    assert.match(answer, /^HTTP\/1\.1 503 .*connection: close/is)
    assert.equal(stopped, false)
    settle()
    await stopping
    assert.equal((await inFlight).status, 202)
    const late = await fetch(`${other.url}/orders`, { method: 'POST', body: '{}' })
    assert.equal(late.status, 503)
    assert.equal(late.headers.get('connection'), 'close')
    assert.equal(started, 1)
    await other.adapter.stop()
    await other.server.close()
  })
})

function countConnections({ server }: HttpServer, expected: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count === expected)))
  })
}
