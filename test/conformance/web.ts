import assert from 'node:assert/strict'
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request as httpRequest, type RequestOptions } from 'node:http'
import { after, before, describe, test } from 'node:test'
import type { FunctionRuntime, LoadedFunction, LogLine } from '../../src/runtime/runtime.ts'
import { eventually } from '../support/eventually.ts'
import { rawExchange } from '../support/http-client.ts'
import { type ErrorAnswer, startWebServer, type WebServer } from '../support/web-server.ts'

export interface WebHarness {
  readonly runtime: FunctionRuntime
  readonly functions: readonly LoadedFunction[]
  readonly logs: readonly LogLine[]
  close(): Promise<void>
}

const SECRET = 'a-secret-of-some-length'

interface Inspected {
  readonly method: string
  readonly url: string
  readonly headers: [string, string][]
  readonly params: Readonly<Record<string, string>>
  readonly env: unknown
  readonly body: string
  readonly traceparent: string | null
}

/** What a web handler sees and answers, wherever it runs; `open` makes those of `test/support/web-functions.ts` known. */
export function testWebHandlers(name: string, open: () => Promise<WebHarness>): void {
  describe(name, () => {
    let harness: WebHarness
    let server: WebServer
    before(async () => {
      harness = await open()
      server = await startWebServer({ ...harness, secrets: { SECRET }, placeMs: 200 })
    })
    after(async () => {
      await server?.stop()
      await harness?.close()
    })
    const call = (path: string, init: RequestInit & { duplex?: 'half' } = {}): Promise<Response> =>
      fetch(`${server.url}${path}`, { redirect: 'manual', ...init })
    const logOf = (runId: string): string[] =>
      harness.logs.filter((line) => line.runId === runId).map(({ message }) => message)
    /** By Node's own client: it shows what `fetch` hides. */
    const raw = async (path: string, options: RequestOptions = {}, body = ''): Promise<IncomingMessage> => {
      const outgoing = httpRequest(`${server.url}${path}`, { agent: false, ...options })
      outgoing.end(body)
      const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
      return response
    }

    describe('a request', () => {
      test('comes as it was sent', async () => {
        const path = '/inspect/a%20b/c?x=1&x=2'
        const body = 'ä'.repeat(1_000)
        const response = await call(path, { method: 'PATCH', body, headers: { 'x-own': 'é' } })
        const seen = (await response.json()) as Inspected
        assert.deepEqual([seen.method, seen.url, seen.body], ['PATCH', `${server.url}${path}`, body])
        assert.deepEqual(seen.params, { id: 'a b', '*': 'c' })
        assert.equal(new Headers(seen.headers).get('x-own'), 'é')
      })

      test('has all of its headers but those of the connection', async () => {
        const headers = {
          ...{ authorization: 'Bearer abc', cookie: 'a=1; b=2', te: 'trailers', 'keep-alive': 'timeout=5' },
          ...{ 'x-hop': 'gone', 'proxy-authorization': 'Basic x', connection: 'close, X-Hop' },
          traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
        }
        const response = await raw('/inspect/1', { headers })
        const seen = JSON.parse(await textOf(response)) as Inspected
        const names = seen.headers.map(([name]) => name)
        assert.deepEqual(names.toSorted(), ['authorization', 'cookie', 'host', 'traceparent'])
        assert.equal(seen.traceparent, headers.traceparent)
      })

      test('leaves only those on the list in the ledger, and no body', async () => {
        const headers = { authorization: 'Bearer abc', cookie: 'a=1', 'x-request-id': 'r1' }
        const response = await call('/inspect/7?q=1', { method: 'POST', body: 'secret', headers })
        const { eventId, attempt, maxAttempts, result } = await server.runOf(response)
        const { envelope } = (await server.store.event(eventId)) ?? {}
        const { type, source, data, request } = envelope as unknown as Record<string, object>
        assert.deepEqual([type, source, data], ['http.request', '/http/ANY/inspect/:id', null])
        const { headers: kept, ...rest } = request as { headers: Record<string, string> }
        assert.deepEqual(rest, {
          ...{ method: 'POST', path: '/inspect/7', params: { id: '7' }, query: { q: '1' } },
          encoding: 'none',
        })
        assert.deepEqual(
          [kept['x-request-id'], kept.authorization, kept.cookie],
          ['r1', undefined, undefined],
        )
        assert.deepEqual([attempt, maxAttempts, result], [1, 1, { status: 200 }])
      })

      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
        test(`may be ${method} on a route for any`, async () => {
          const { method: seen } = (await (await call('/inspect/1', { method })).json()) as Inspected
          assert.equal(seen, method)
        })

      test('may be a HEAD where GET is answered, and nothing else', async () => {
        const head = await call('/only-get', { method: 'HEAD' })
        assert.deepEqual([head.status, await head.text()], [200, ''])
        const post = await call('/only-get', { method: 'POST' })
        assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD'])
      })

      test('whose Host makes no URL is refused', async () => {
        const response = await raw('/inspect/1', { headers: { host: 'a/b@c' } })
        assert.equal(response.statusCode, 400)
        response.resume()
      })

      test('over its limit is refused, whether it says so or not', async () => {
        const body = 'x'.repeat(1_001)
        assert.equal((await call('/limited', { method: 'POST', body })).status, 413)
        const stream = new Blob([body]).stream()
        const late = await call('/limited', { method: 'POST', body: stream, duplex: 'half' })
        assert.deepEqual([late.status, await codeOf(late)], [413, 'TPT_EVENT_TOO_LARGE'])
        const fits = await call('/limited', { method: 'POST', body: 'x'.repeat(1_000) })
        assert.deepEqual(await fits.json(), { bytes: 1_000 })
      })

      test('must be signed where its route says so', async () => {
        const body = '{"a":1}'
        const signature = `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`
        const good = await call('/signed', {
          method: 'POST',
          body,
          headers: { 'x-hub-signature-256': signature },
        })
        assert.equal(await good.text(), body)
        const headers = { 'x-hub-signature-256': signature }
        assert.equal((await call('/signed', { method: 'POST', body: `${body} `, headers })).status, 401)
        assert.equal((await call('/keyed', { method: 'POST', body })).status, 401)
        const authorization = `Bearer ${SECRET}`
        assert.equal(
          await (await call('/keyed', { method: 'POST', body, headers: { authorization } })).text(),
          body,
        )
      })
    })

    describe('a response', () => {
      test('has its own headers, each cookie by itself, and none of the connection', async () => {
        const { headers, rawHeaders } = await raw('/headers').then((response) => response.resume())
        assert.deepEqual(headers['set-cookie'], ['a=1; Path=/', 'b=2, three'])
        assert.equal(headers['x-kept'], 'ä')
        assert.deepEqual([headers['x-hop'], headers['transfer-encoding']], [undefined, 'chunked'])
        assert.notEqual(headers['tappet-run-id'], 'forged')
        assert.equal(rawHeaders.filter((name) => name === 'tappet-run-id').length, 1)
      })

      test('keeps a length that is right, and breaks off at one that is not', async () => {
        const right = await call('/headers?length=5')
        assert.deepEqual([right.headers.get('content-length'), await right.text()], ['5', 'hello'])
        for (const wrong of [4, 6])
          await assert.rejects(call(`/headers?length=${wrong}`).then((r) => r.text()))
        const none = await call('/headers?length=five')
        assert.deepEqual([none.headers.get('content-length'), await none.text()], [null, 'hello'])
      })

      for (const code of [200, 204, 302, 304, 404, 500, 503])
        test(`may have the status ${code}`, async () => {
          const response = await call(`/status/${code}`)
          assert.equal(response.status, code)
          assert.equal(await response.text(), [204, 302, 304].includes(code) ? '' : 'text')
          if (code === 302) assert.equal(response.headers.get('location'), `${server.url}/there`)
          assert.deepEqual((await server.runOf(response)).result, { status: code })
        })

      test('to a HEAD has no body', async () => {
        const text = await rawExchange(server.port, [
          'HEAD /headers?length=5 HTTP/1.1\r\nHost: x\r\n\r\n',
          'GET /status/404 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
        ])
        const [head = '', rest = ''] = text.split('\r\n\r\n')
        assert.match(head, /^HTTP\/1.1 200 [\s\S]*content-length: 5/)
        assert.match(rest, /^HTTP\/1.1 404 /)
      })

      test('leaves the connection to the next request, also if nobody reads this one', async () => {
        const body = 'x'.repeat(300_000)
        const text = await rawExchange(server.port, [
          `POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
          'GET /only-get HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
        ])
        assert.match(text, /^HTTP\/1.1 413 [\s\S]*no, thanks[\s\S]*HTTP\/1.1 200 [\s\S]*here/)
      })

      test('may begin before its request has ended', async () => {
        const outgoing = httpRequest(`${server.url}/echo`, { method: 'POST', agent: false })
        outgoing.write('first')
        const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
        const [first] = (await once(response, 'data')) as [Buffer]
        assert.equal(first.toString(), 'first')
        outgoing.write('second')
        const [second] = (await once(response, 'data')) as [Buffer]
        assert.equal(second.toString(), 'second')
        outgoing.end()
        await once(response, 'end')
      })
    })

    describe('bodies', () => {
      test('are the bytes that were sent, in both directions', async () => {
        const body = randomBytes(3_000_001)
        const hash = createHash('sha256').update(body).digest('hex')
        assert.equal(await (await call('/flow/hash', { method: 'POST', body })).text(), hash)
        const back = Buffer.from(await (await call('/echo', { method: 'POST', body })).arrayBuffer())
        assert.equal(createHash('sha256').update(back).digest('hex'), hash)
      })

      test('are empty where there is none', async () => {
        const { body } = (await (await call('/inspect/1', { method: 'POST' })).json()) as Inspected
        assert.equal(body, '')
      })
    })

    describe('an error', () => {
      const expected: Readonly<Record<string, readonly [status: number, code: string]>> = {
        throw: [500, 'TPT_FUNCTION_FAILED'],
        fatal: [500, 'TPT_FUNCTION_FAILED'],
        text: [500, 'TPT_RESULT_INVALID'],
        nothing: [500, 'TPT_RESULT_INVALID'],
        error: [500, 'TPT_RESULT_INVALID'],
        used: [500, 'TPT_RESULT_INVALID'],
      }
      for (const [how, [status, code]] of Object.entries(expected))
        test(`is answered with its code, and kept: ${how}`, async () => {
          const response = await call(`/errors/${how}`)
          const text = await response.text()
          assert.deepEqual([response.status, (JSON.parse(text) as ErrorAnswer).error.code], [status, code])
          assert.doesNotMatch(text, /secret|home|stack| at /)
          assert.equal(/no such order/.test(text), how === 'fatal')
          const { state, failure } = await server.runOf(response)
          assert.equal(state, 'dead')
          assert.ok(failure?.message)
          if (how === 'throw') assert.match(`${failure.name} ${failure.stack}`, /Broken[\s\S]*web-functions/)
        })

      for (const how of ['late', 'body'])
        test(`in the middle breaks the response off: ${how}`, async () => {
          await assert.rejects(call(`/errors/${how}`).then((response) => response.arrayBuffer()))
          const message = how === 'late' ? /halfway/ : /body of bytes/
          await eventually(async () => {
            const runs = await server.store.runs({ state: 'dead', functionId: 'errors' })
            return runs.some(({ failure }) => message.test(failure?.message ?? ''))
          }, 'the run is dead')
        })
    })

    describe('a timeout', () => {
      before(() => eventually(async () => (await call('/slow/not')).ok, 'its process is warm'))
      for (const how of ['response', 'body', 'later'])
        test(`aborts what goes on too long: ${how}`, async () => {
          const answered = call(`/slow/${how}`)
          if (how === 'body') await assert.rejects(answered.then((response) => response.text()))
          else if (how === 'later') assert.equal(await (await answered).text(), 'ok')
          else assert.deepEqual([(await answered).status, await codeOf(await answered)], [504, 'TPT_TIMEOUT'])
          const run = await eventually(async () => {
            const [newest] = await server.store.runs({ state: 'dead', functionId: 'slow' })
            const path = newest && (await server.store.event(newest.eventId))?.envelope.subject
            return path === `/slow/${how}` ? newest : null
          }, 'the run is dead')
          assert.equal(run.failure?.code, 'TPT_TIMEOUT')
          await eventually(() => logOf(run.id).some((line) => line.startsWith('aborted: ')), 'it was told')
        })
    })

    describe('waitUntil', () => {
      for (const [how, line] of [
        ['works', 'done afterwards'],
        ['fails', 'ctx.waitUntil: Broken: afterwards'],
      ] as const)
        test(`lets work go on after the response: ${how}`, async () => {
          const response = await call(`/later/${how}`)
          assert.equal(await response.text(), 'at once')
          assert.equal(await server.store.run(response.headers.get('tappet-run-id') ?? ''), null)
          await (await call('/later/release')).text()
          const { id, state } = await server.runOf(response)
          assert.equal(state, 'completed')
          const lines = await eventually(() => (logOf(id).length > 0 ? logOf(id) : null), 'its log')
          assert.ok(lines[0]?.startsWith(line), lines[0])
        })
    })

    describe('a caller who goes away', () => {
      for (const how of ['waiting', 'reading', 'body'])
        test(`aborts the request, and not what was left to do: ${how}`, async () => {
          const before = (await server.store.runs({ functionId: 'gone' })).length
          const begun = harness.logs.filter(({ message }) => message === 'begun').length
          const abort = new AbortController()
          const body =
            how === 'reading' ? new ReadableStream({ start: (to) => to.enqueue(Buffer.from('x')) }) : null
          const calling = call(`/gone/${how}`, {
            ...{ method: 'POST', signal: abort.signal, body },
            ...(body && { duplex: 'half' as const }),
          })
          if (how === 'body') await (await calling).body?.getReader().read()
          await eventually(
            () => harness.logs.filter(({ message }) => message === 'begun').length > begun,
            'it has begun',
          )
          abort.abort()
          await calling.catch(() => undefined)
          const run = await eventually(
            async () => (await server.store.runs({ functionId: 'gone', state: 'completed' }))[before],
            'the run is written down',
          ).then(async () => (await server.store.runs({ functionId: 'gone' }))[0])
          assert.equal((run?.result as { gone?: boolean } | undefined)?.gone, true)
          assert.ok(logOf(run?.id ?? '').includes('the caller has gone, but not the call'))
        })
    })

    test('a paused function answers nobody', async () => {
      await server.store.pause('status', 'somebody')
      const refused = await eventually(async () => {
        const response = await call('/status/200')
        return response.status === 503 ? response : null
      }, 'it is known to be paused')
      assert.equal(await codeOf(refused), 'TPT_PAUSED')
      await server.store.resume('status')
      await eventually(async () => (await call('/status/200')).status === 200, 'it is known to be resumed')
    })
  })
}

async function codeOf(response: Response): Promise<string> {
  return ((await response.json()) as ErrorAnswer).error.code
}

async function textOf(response: IncomingMessage): Promise<string> {
  return Buffer.concat(await response.toArray()).toString()
}
