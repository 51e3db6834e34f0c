import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { newId } from '../../src/lib/id.ts'
import type { Catalog } from '../../src/runtime/catalog.ts'
import type { Settled } from '../../src/runtime/runtime.ts'
import { eventually } from '../support/eventually.ts'
import { assertPartial, loadLanguages, PATH, startLanguages } from '../support/languages.ts'
import {
  find,
  makeInvocation,
  makeProject,
  never,
  type ProcessHarness,
  type Project,
} from '../support/runtime.ts'

/**
 * The Runtime API as AWS documents it for whoever writes a runtime ("Using the Lambda runtime API for custom runtimes", "Using
 * response streaming", and the OpenAPI document of version 2018-06-01): paths, headers, codes and shapes, one by one. The
 * process of the function says where its API is, and we are the runtime.
 */

const MAX_RESULT_BYTES = 100_000
const SAYS_WHERE = `console.log('api ' + process.env.AWS_LAMBDA_RUNTIME_API); setInterval(() => undefined, 1_000)`
const JSON_TYPE = 'application/json'

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: unknown
}

interface Sent {
  readonly headers?: OutgoingHttpHeaders
  /** Each is a chunk. */
  readonly chunks?: readonly string[]
  readonly trailers?: Record<string, string>
}

describe('the Runtime API of AWS Lambda', () => {
  let project: Project
  let catalog: Catalog
  let harness: ProcessHarness
  let agent: Agent
  let port = 0
  let running: Promise<Settled>
  let abort: AbortController

  before(async () => {
    const command = [process.execPath, '-e', SAYS_WHERE]
    const on = { kind: 'queue', queue: 'q' }
    const declared = { runtime: 'lambda', handler: 'x.y', timeout: '20s', command, on }
    project = await makeProject({ 'contract/tappet.json': JSON.stringify(declared) })
    catalog = await loadLanguages(project.root)
    assert.deepEqual(catalog.problems, [])
  })
  after(() => project.remove())
  beforeEach(async () => {
    harness = startLanguages({ maxResultBytes: MAX_RESULT_BYTES, environment: () => ({ PATH }) })
    agent = new Agent({ keepAlive: true, maxSockets: 2 })
    abort = new AbortController()
    running = start('first')
    port = await eventually(() => {
      const said = [...harness.logs.map(({ message }) => message), ...harness.output]
      return said.map((line) => Number(/^api 127\.0\.0\.1:(\d+)$/.exec(line)?.[1])).find(Boolean) ?? null
    }, 'the address of the API')
  })
  afterEach(async () => {
    agent.destroy()
    abort.abort()
    await harness.close()
  })

  const start = (data: string): Promise<Settled> =>
    harness.runtime.run(
      find(catalog, 'contract'),
      makeInvocation(data, { runId: newId('run') }),
      AbortSignal.any([abort.signal, never]),
    )
  const send = async (
    method: string,
    path: string,
    { headers, chunks = [], trailers }: Sent = {},
  ): Promise<Answer> => {
    const sent = request({ agent, port, method, headers, path: `/2018-06-01/runtime/${path}` })
    for (const chunk of chunks) sent.write(chunk)
    if (trailers) sent.addTrailers(trailers)
    sent.end()
    const [answer] = (await once(sent, 'response')) as [import('node:http').IncomingMessage]
    const text = Buffer.concat(await answer.toArray()).toString()
    return {
      status: answer.statusCode ?? 0,
      headers: answer.headers,
      body: text === '' ? null : JSON.parse(text),
    }
  }
  const post = (path: string, body: string, headers: OutgoingHttpHeaders = {}): Promise<Answer> =>
    send('POST', path, {
      headers: { 'content-length': Buffer.byteLength(body), ...headers },
      chunks: body === '' ? [] : [body],
    })
  const next = async (): Promise<string> => {
    const { status, headers } = await send('GET', 'invocation/next')
    assert.equal(status, 200)
    return String(headers['lambda-runtime-aws-request-id'])
  }
  const isAccepted = ({ status, headers, body }: Answer): void =>
    assert.deepEqual([status, headers['content-type'], body], [202, JSON_TYPE, { status: 'OK' }])
  const isRefused = ({ status, headers, body }: Answer, expected: number, errorType: string): void => {
    assert.deepEqual([status, headers['content-type']], [expected, JSON_TYPE])
    assertPartial(body, { errorType })
    assert.equal(typeof (body as { errorMessage?: unknown }).errorMessage, 'string')
  }
  const failureOf = async (settled: Promise<Settled>) => {
    const how = await settled
    assert.ok(!how.ok, JSON.stringify(how))
    return how.failure
  }

  it('GET next: the event, and what Lambda says of it in headers', async () => {
    const askedMs = Date.now()
    const { status, headers, body } = await send('GET', 'invocation/next')
    const answeredMs = Date.now()
    assert.equal(status, 200)
    assertPartial(headers, { 'content-type': JSON_TYPE })
    assert.match(String(headers['lambda-runtime-aws-request-id']), /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)
    assert.match(
      String(headers['lambda-runtime-invoked-function-arn']),
      /^arn:aws:lambda:[\w-]+:\d{12}:function:contract$/,
    )
    assert.match(
      String(headers['lambda-runtime-trace-id']),
      /^Root=1-[\da-f]{8}-[\da-f]{24};Parent=[\da-f]{16};Sampled=[01]$/,
    )
    // Unix time in milliseconds, of the timeout. The run may have waited for its process.
    const deadlineMs = Number(headers['lambda-runtime-deadline-ms'])
    assert.ok(deadlineMs > askedMs && deadlineMs <= answeredMs + 20_000, String(deadlineMs - askedMs))
    JSON.parse(String(headers['lambda-runtime-client-context']))
    assertPartial(body, { specversion: '1.0', data: 'first' })
    assert.equal(headers['lambda-runtime-cognito-identity'], undefined)
  })

  it('GET next waits until there is an event, as long as that takes', async () => {
    const first = await next()
    isAccepted(await post(`invocation/${first}/response`, '1'))
    assert.deepEqual(await running, { ok: true, result: 1 })
    const waiting = next()
    running = start('second')
    const second = await waiting
    assert.notEqual(second, first)
    isAccepted(await post(`invocation/${second}/response`, '2'))
    assert.deepEqual(await running, { ok: true, result: 2 })
  })

  it('GET next is refused while an event is under way, with 403', async () => {
    await next()
    isRefused(await send('GET', 'invocation/next'), 403, 'InvalidStateTransition')
  })

  for (const [body, result] of [
    ['{"a":[1,null,"ä"]}', { a: [1, null, 'ä'] }],
    ['"text"', 'text'],
    ['', null],
    ['no JSON', 'no JSON'],
  ] as const) {
    it(`POST response: 202, and the result is what was posted: ${body || 'nothing'}`, async () => {
      isAccepted(await post(`invocation/${await next()}/response`, body))
      assert.deepEqual(await running, { ok: true, result })
    })
  }

  it('POST response after Expect: 100-continue, as libcurl asks before large bodies', async () => {
    const body = JSON.stringify('x'.repeat(50_000))
    isAccepted(await post(`invocation/${await next()}/response`, body, { expect: '100-continue' }))
    assert.deepEqual(await running, { ok: true, result: 'x'.repeat(50_000) })
  })

  it('POST response and error: 400 for another id, and for one that has been answered', async () => {
    const id = await next()
    const other = id.replace(/^./, id.startsWith('0') ? '1' : '0')
    for (const what of ['response', 'error']) {
      isRefused(await post(`invocation/${other}/${what}`, '{}'), 400, 'InvalidRequestID')
      isRefused(await post(`invocation/nonsense/${what}`, '{}'), 400, 'InvalidRequestID')
    }
    isAccepted(await post(`invocation/${id}/response`, '{}'))
    for (const what of ['response', 'error'])
      isRefused(await post(`invocation/${id}/${what}`, '{}'), 400, 'InvalidRequestID')
    assert.deepEqual(await running, { ok: true, result: {} })
  })

  it('POST response: 413 for too much; the run fails, and the runtime goes on', async () => {
    const large = JSON.stringify('x'.repeat(MAX_RESULT_BYTES))
    isRefused(await post(`invocation/${await next()}/response`, large), 413, 'RequestEntityTooLarge')
    assertPartial(await failureOf(running), { code: 'TPT_RESULT_INVALID', retryable: false })
    running = start('second')
    isAccepted(await post(`invocation/${await next()}/response`, '2'))
    assert.deepEqual(await running, { ok: true, result: 2 })
  })

  it('POST error: type, message and stack of the body', async () => {
    const body = JSON.stringify({
      errorMessage: 'no way',
      errorType: 'Shop.Closed',
      stackTrace: ['at a', 'at b'],
    })
    const headers = {
      'content-type': 'application/vnd.aws.lambda.error+json',
      'lambda-runtime-function-error-type': 'Runtime.UnknownReason',
    }
    isAccepted(await post(`invocation/${await next()}/error`, body, headers))
    const { name, message, stack, retryable } = await failureOf(running)
    assert.deepEqual([name, message, retryable], ['Shop.Closed', 'no way', true])
    assert.equal(stack, 'Shop.Closed: no way\nat a\nat b')
  })

  it('POST error: the type of the header, where the body has none', async () => {
    const headers = { 'lambda-runtime-function-error-type': 'Extension.Broken' }
    isAccepted(await post(`invocation/${await next()}/error`, '', headers))
    assertPartial(await failureOf(running), { name: 'Extension.Broken', message: 'Extension.Broken' })
  })

  it('POST init/error: 202 before the first next, and the function does not load', async () => {
    const body = JSON.stringify({
      errorMessage: 'no module',
      errorType: 'Runtime.ImportError',
      stackTrace: [],
    })
    const headers = { 'lambda-runtime-function-error-type': 'Runtime.ImportError' }
    isAccepted(await post('init/error', body, headers))
    const failure = await failureOf(running)
    assert.equal(failure.code, 'TPT_FUNCTION_LOAD')
    assert.match(failure.message, /does not load: Runtime\.ImportError: no module/)
  })

  it('POST init/error: 403 after the first next, and the run goes on', async () => {
    const id = await next()
    isRefused(await post('init/error', '{"errorMessage":"late"}'), 403, 'InvalidStateTransition')
    isAccepted(await post(`invocation/${id}/response`, '1'))
    assert.deepEqual(await running, { ok: true, result: 1 })
  })

  it('takes events and answers on one connection that is kept open', async () => {
    agent.destroy()
    agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ports = new Set<unknown>()
    agent.on('free', ({ localPort }: { readonly localPort?: number }) => ports.add(localPort))
    for (const data of ['1', '2', '3']) {
      isAccepted(await post(`invocation/${await next()}/response`, data))
      assert.deepEqual(await running, { ok: true, result: Number(data) })
      running = start('more')
    }
    assert.equal(ports.size, 1)
  })

  it('has other paths neither, nor other methods', async () => {
    isRefused(await send('GET', 'invocation'), 404, 'NotFound')
    isRefused(await send('POST', 'invocation/next'), 405, 'MethodNotAllowed')
    isRefused(await send('GET', 'init/error'), 405, 'MethodNotAllowed')
  })

  describe('a streamed response', () => {
    const STREAMING = { 'lambda-runtime-function-response-mode': 'streaming', 'transfer-encoding': 'chunked' }
    const TRAILER = { trailer: 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body' }

    it('is the result, however it is cut', async () => {
      const headers = { ...STREAMING, 'content-type': 'application/octet-stream' }
      const chunks = ['{"text"', ':"a', 'b', '"}']
      isAccepted(await send('POST', `invocation/${await next()}/response`, { headers, chunks }))
      assert.deepEqual(await running, { ok: true, result: { text: 'ab' } })
    })

    it('has failed if its trailers say so', async () => {
      const details = { errorMessage: 'halfway', errorType: 'Shop.Broken', stackTrace: ['at a'] }
      const trailers = {
        'Lambda-Runtime-Function-Error-Type': 'Function.StreamError',
        'Lambda-Runtime-Function-Error-Body': Buffer.from(JSON.stringify(details)).toString('base64'),
      }
      const headers = { ...STREAMING, ...TRAILER }
      isAccepted(
        await send('POST', `invocation/${await next()}/response`, { headers, chunks: ['some of'], trailers }),
      )
      assertPartial(await failureOf(running), { name: 'Shop.Broken', message: 'halfway', retryable: true })
    })

    it('has an empty trailer without a failure', async () => {
      const headers = { ...STREAMING, ...TRAILER }
      isAccepted(await send('POST', `invocation/${await next()}/response`, { headers, chunks: ['7'] }))
      assert.deepEqual(await running, { ok: true, result: 7 })
    })

    it('that breaks off is none: the event can still be answered', async () => {
      const id = await next()
      const broken = request({
        port,
        method: 'POST',
        headers: STREAMING,
        path: `/2018-06-01/runtime/invocation/${id}/response`,
      })
      broken.on('error', () => undefined)
      broken.write('half')
      await new Promise((resolve) => broken.write(' of it', resolve))
      const closed = new Promise((resolve) => broken.once('close', resolve))
      broken.destroy()
      await closed
      isAccepted(await post(`invocation/${id}/error`, '{"errorType":"Shop.Broken","errorMessage":"cut off"}'))
      assertPartial(await failureOf(running), { name: 'Shop.Broken', message: 'cut off' })
    })

    it('of another mode is refused, with 400', async () => {
      const headers = { 'lambda-runtime-function-response-mode': 'odd' }
      isRefused(
        await post(`invocation/${await next()}/response`, '1', headers),
        400,
        'InvalidFunctionResponseMode',
      )
    })
  })
})
