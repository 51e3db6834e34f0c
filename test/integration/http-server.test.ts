import assert from 'node:assert/strict'
import { Agent, request as httpRequest } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'

import { readBody } from '../../src/api/body.ts'
import { createServer, type HttpServer } from '../../src/api/server.ts'
import { TappetError } from '../../src/errors.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { eventually } from '../support/eventually.ts'
import { rawExchange } from '../support/http-client.ts'

const LIMIT = 1_000
const BODY_TIMEOUT_MS = 300

let server: HttpServer
let port: number
let url: string
const OPEN = { config: { scope: 'public' } } as const
let release: () => void = () => undefined
let held = 0

before(async () => {
  server = build()
  await server.listen({ host: '127.0.0.1', port: 0 })
  port = (server.server.address() as AddressInfo).port
  url = `http://127.0.0.1:${port}`
})

after(() => server.close())

function build(): HttpServer {
  const made = createServer({
    keys: ['key-one', '', 'key-two'],
    logger: silentLogger,
    requestTimeoutMs: BODY_TIMEOUT_MS,
  })
  made.post('/echo', OPEN, async (request, reply) => {
    const body = await readBody(request, LIMIT)
    return reply.type('application/octet-stream').send(body)
  })
  made.get('/admin', { config: { scope: 'admin' } }, async () => ({ ok: true }))
  made.post('/admin', { config: { scope: 'admin' } }, async (request) => ({
    bytes: (await readBody(request, 10)).length,
  }))
  made.get('/who', OPEN, async ({ ip, protocol, host }) => ({ ip, protocol, host }))
  made.get('/broken', OPEN, async () => {
    throw new Error('password=hunter2')
  })
  made.get('/busy', OPEN, async () => {
    throw new TappetError('TPT_UNAVAILABLE', 'The ledger did not answer.')
  })
  made.get('/held', OPEN, async () => {
    held++
    await new Promise<void>((resolve) => {
      release = resolve
    })
    return { ok: true }
  })
  return made
}

const post = (body: string | Buffer, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${url}/echo`, { method: 'POST', body, headers })

const code = async (response: Response): Promise<string> =>
  ((await response.json()) as { error: { code: string } }).error.code

test('garbage after a whole request does not take its answer away', async () => {
  const before = held
  const answers = rawExchange(port, ['GET /held HTTP/1.1\r\nHost: here\r\n\r\ngarbage\r\n\r\n'])
  await eventually(() => held > before, 'the request to arrive')
  release()
  const text = await answers
  assert.match(text, /^HTTP\/1\.1 200 OK/)
  assert.doesNotMatch(text, /400 Bad Request/)
})

describe('admin keys', () => {
  test('any of the keys opens', async () => {
    for (const key of ['key-one', 'key-two']) {
      const response = await fetch(`${url}/admin`, { headers: { authorization: `Bearer ${key}` } })
      assert.equal(response.status, 200)
      assert.deepEqual(await response.json(), { ok: true })
    }
  })

  test('every other cause gets one and the same refusal', async () => {
    const bodies = new Set<string>()
    const wrong = [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      'Bearer key-on',
      'Bearer key-one2',
      'Basic key-one',
      'key-one',
    ]
    for (const authorization of [...wrong, 'Bearer KEY-ONE', 'Bearer key-one key-two']) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
      const response = await fetch(`${url}/admin`, { headers })
      assert.equal(response.status, 401, String(authorization))
      assert.equal(response.headers.get('www-authenticate'), 'Bearer')
      bodies.add(await response.text())
    }
    assert.equal(bodies.size, 1)
    assert.equal(JSON.parse([...bodies][0] ?? '').error.code, 'TPT_UNAUTHORIZED')
  })

  test('a refused upload is answered before its body has come', async () => {
    const head = 'POST /admin HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n'
    const answer = await rawExchange(port, [head, 'x'.repeat(1_000)])
    assert.match(answer, /^HTTP\/1\.1 401 /)
    assert.match(answer, /connection: close/i)
  })
})

describe('bodies', () => {
  test('arrive byte for byte whatever their content type', async () => {
    const bytes = Buffer.from([0, 255, 123, 34, 95, 95, 112])
    for (const type of [
      'application/json',
      'application/x-www-form-urlencoded',
      'text/plain',
      'multipart/form-data',
      'a/b',
    ]) {
      const response = await post(bytes, { 'content-type': type })
      assert.equal(response.status, 200, type)
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes)
    }
  })

  test('may be as large as the limit, not a byte more, with and without Content-Length', async () => {
    assert.equal((await post(Buffer.alloc(LIMIT))).status, 200)
    const large = await post(Buffer.alloc(LIMIT + 1))
    assert.equal(large.status, 413)
    assert.equal(await code(large), 'TPT_EVENT_TOO_LARGE')
    for (const [size, status] of [
      [LIMIT, 200],
      [LIMIT + 1, 413],
    ] as const) {
      const chunk = `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n0\r\n\r\n`
      const head = 'POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n'
      assert.match(await rawExchange(port, [head, chunk]), new RegExp(`^HTTP/1\\.1 ${status} `))
    }
  })

  test('that are far too large still get their answer', async () => {
    const response = await post(Buffer.alloc(5_000_000))
    assert.equal(response.status, 413)
    assert.equal(response.headers.get('connection'), 'close')
  })

  test('are decoded, with the limit on what comes out', async () => {
    const encoders = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync, 'X-GZIP': gzipSync }
    for (const [encoding, encode] of Object.entries(encoders)) {
      const fits = await post(encode(Buffer.alloc(LIMIT, 'a')), { 'content-encoding': encoding })
      assert.equal(await fits.text(), 'a'.repeat(LIMIT), encoding)
      const bomb = await post(encode(Buffer.alloc(LIMIT + 1, 'a')), { 'content-encoding': encoding })
      assert.equal(bomb.status, 413, encoding)
      const broken = await post('not compressed', { 'content-encoding': encoding })
      assert.equal(broken.status, 400, encoding)
      assert.equal(await code(broken), 'TPT_BODY_INVALID')
      const cut = await post(encode(Buffer.from('hello hello hello')).subarray(0, -5), {
        'content-encoding': encoding,
      })
      assert.equal(cut.status, 400, encoding)
    }
  })

  test('in an encoding that is not known are refused', async () => {
    for (const encoding of ['zstd', 'gzip, gzip', 'constructor', '__proto__']) {
      const response = await post('x', { 'content-encoding': encoding })
      assert.equal(response.status, 415, encoding)
      assert.equal(await code(response), 'TPT_CONTENT_TYPE')
    }
    assert.equal((await post('x', { 'content-encoding': 'Identity' })).status, 200)
  })

  test('that come too slowly are refused, and the connection closes', async () => {
    const head = 'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf'
    const answer = await rawExchange(port, [head])
    assert.match(answer, /^HTTP\/1\.1 408 /)
    assert.match(answer, /TPT_REQUEST_TIMEOUT/)
  })

  test('that are cut off leave the server well', async () => {
    const socket = connect(port, '127.0.0.1')
    socket.write('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')
    await new Promise((resolve) => socket.once('ready', resolve))
    socket.destroy()
    assert.equal((await post('x')).status, 200)
  })
})

describe('refusals', () => {
  test('a path without a route', async () => {
    const response = await fetch(`${url}/nowhere`)
    assert.equal(response.status, 404)
    assert.match(response.headers.get('content-type') ?? '', /^application\/json/)
    assert.equal(await code(response), 'TPT_ROUTE_NOT_FOUND')
  })

  test('an unknown error says nothing of itself', async () => {
    const response = await fetch(`${url}/broken`)
    assert.equal(response.status, 500)
    const text = await response.text()
    assert.match(text, /TPT_INTERNAL/)
    assert.doesNotMatch(text, /hunter2|stack/)
  })

  test('unavailable says when to come back', async () => {
    const response = await fetch(`${url}/busy`)
    assert.equal(response.status, 503)
    assert.equal(response.headers.get('retry-after'), '1')
  })

  test('what is not HTTP', async () => {
    const host = 'Host: a\r\n'
    const cases: Record<string, RegExp> = {
      'HELLO\r\n\r\n': /^HTTP\/1\.1 400 .*TPT_REQUEST_INVALID/s,
      'GET / HTTP/1.1\r\n\r\n': /^HTTP\/1\.1 400 /,
      [`GET /%zz HTTP/1.1\r\n${host}Connection: close\r\n\r\n`]: /^HTTP\/1\.1 400 .*TPT_REQUEST_INVALID/s,
      [`GET / HTTP/1.1\r\n${host}A: ${'x'.repeat(17_000)}\r\n\r\n`]: /^HTTP\/1\.1 431 .*TPT_REQUEST_INVALID/s,
      [`POST /echo HTTP/1.1\r\n${host}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`]:
        /^HTTP\/1\.1 400 /,
      [`POST /echo HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`]:
        /^HTTP\/1\.1 400 /,
      [`POST /echo HTTP/1.1\r\n${host}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`]: /^HTTP\/1\.1 400 /,
      [`POST /echo HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nzz\r\n`]: /^HTTP\/1\.1 400 /,
      [`GET / HTTP/1.1\r\n${host}A: a\0b\r\n\r\n`]: /^HTTP\/1\.1 400 /,
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n': /^HTTP\/1\.1 400 /,
    }
    for (const [bytes, answer] of Object.entries(cases)) {
      assert.match(await rawExchange(port, [bytes]), answer, JSON.stringify(bytes.slice(0, 60)))
    }
  })

  test('a content type that is none is refused before the handler', async () => {
    const answer = await rawExchange(port, [
      'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: nonsense\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx',
    ])
    assert.match(answer, /^HTTP\/1\.1 415 .*TPT_CONTENT_TYPE/s)
  })

  test('forwarded addresses are not believed', async () => {
    const headers = {
      'x-forwarded-for': '10.9.9.9',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'evil',
    }
    const response = await fetch(`${url}/who`, { headers })
    assert.deepEqual(await response.json(), { ip: '127.0.0.1', protocol: 'http', host: `127.0.0.1:${port}` })
  })
})

test('closing ends idle connections at once and lets the others finish', async () => {
  const closing = build()
  await closing.listen({ host: '127.0.0.1', port: 0 })
  const other = (closing.server.address() as AddressInfo).port
  const idle = connect(other, '127.0.0.1')
  let answered = ''
  idle.setEncoding('utf8').on('data', (chunk: string) => (answered += chunk))
  const idleClosed = new Promise((resolve) => idle.once('close', resolve))
  idle.write('GET /admin HTTP/1.1\r\nHost: a\r\n\r\n')
  await eventually(() => answered.includes('TPT_UNAUTHORIZED'), 'the first answer')

  const agent = new Agent({ keepAlive: true })
  const heldBefore = held
  const inFlight = new Promise<{ status: number | undefined; connection: string | undefined }>(
    (resolve, reject) => {
      const request = httpRequest({ port: other, host: '127.0.0.1', path: '/held', agent }, (response) => {
        response.resume()
        response.once('end', () =>
          resolve({ status: response.statusCode, connection: response.headers.connection }),
        )
      })
      request.once('error', reject)
      request.end()
    },
  )
  await eventually(() => held > heldBefore, 'the held request')
  const closed = closing.close()
  await idleClosed
  await assert.rejects(fetch(`http://127.0.0.1:${other}/admin`))
  release()
  assert.deepEqual(await inFlight, { status: 200, connection: 'close' })
  await closed
  agent.destroy()
})
