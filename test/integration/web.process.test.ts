import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { LoadedFunction } from '../../src/runtime/runtime.ts'
import { testWebHandlers, type WebHarness } from '../conformance/web.ts'
import { eventually } from '../support/eventually.ts'
import {
  filesOf,
  makeProject,
  type ProcessHarness,
  type Project,
  startProcesses,
} from '../support/runtime.ts'
import * as functions from '../support/web-functions.ts'
import { type ErrorAnswer, startWebServer, type WebServer } from '../support/web-server.ts'

const MB = 1_048_576
/** What the kernel and the streams at both ends may hold of one body, beside our windows. */
const SLACK_BYTES = 16 * MB

async function openProcesses(): Promise<WebHarness> {
  const project = await makeProject(filesOf('./web-functions.ts', Object.keys(functions)))
  const catalog = await project.load()
  const processes = startProcesses(project.root)
  return {
    ...{ runtime: processes.runtime, functions: catalog.functions, logs: processes.logs },
    async close() {
      await processes.close()
      await project.remove()
    },
  }
}

testWebHandlers('web handlers, in processes', openProcesses)

interface Flow {
  readonly made: number
  readonly read: number
  readonly rss: number
}

describe('large bodies', () => {
  let harness: WebHarness
  let server: WebServer
  before(async () => {
    harness = await openProcesses()
    server = await startWebServer(harness)
  })
  after(async () => {
    await server?.stop()
    await harness?.close()
  })
  const flow = async (how: 'step' | 'count'): Promise<Flow> =>
    (await (await fetch(`${server.url}/flow/${how}`)).json()) as Flow

  test('of responses are made as they are read, and held nowhere', async (t) => {
    const before = [process.memoryUsage.rss(), (await flow('count')).rss] as const
    const outgoing = httpRequest(`${server.url}/flow/make?mb=64`, { agent: false }).end()
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    let got = 0
    let peak = [0, 0] as readonly [number, number]
    for await (const piece of response) {
      const start = Math.floor(got / (4 * MB))
      got += (piece as Buffer).length
      if (Math.floor(got / (4 * MB)) === start) continue
      const { made, rss } = await flow('count')
      assert.ok(made - got <= SLACK_BYTES, `${made} bytes made, ${got} read`)
      peak = [Math.max(peak[0], process.memoryUsage.rss()), Math.max(peak[1], rss)]
    }
    assert.equal(got, 64 * MB)
    t.diagnostic(`memory in MB: ${told(before, peak)}`)
    assert.ok(peak[0] - before[0] < 64 * MB && peak[1] - before[1] < 64 * MB, told(before, peak))
  })

  test('of requests are taken as they are read, and held nowhere', async (t) => {
    const before = [process.memoryUsage.rss(), (await flow('count')).rss] as const
    const outgoing = httpRequest(`${server.url}/flow/take`, { method: 'POST', agent: false })
    const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>
    const sent = { bytes: 0, done: false }
    const sending = send(outgoing, 64, sent)
    let peak = [0, 0] as readonly [number, number]
    for (let megabytes = 1; megabytes <= 64; megabytes++) {
      const { read, rss } = await eventually(async () => {
        const seen = await flow('count')
        return seen.read >= megabytes * MB ? seen : null
      }, `${megabytes} MB are read`)
      assert.ok(sent.bytes - read <= SLACK_BYTES, `${sent.bytes} bytes sent, ${read} read`)
      peak = [Math.max(peak[0], process.memoryUsage.rss()), Math.max(peak[1], rss)]
      await flow('step')
    }
    await sending
    const [response] = await answered
    const [body] = (await response.toArray()) as [Buffer]
    assert.deepEqual(JSON.parse(body.toString()), { read: 64 * MB })
    t.diagnostic(`memory in MB: ${told(before, peak)}`)
    assert.ok(peak[0] - before[0] < 64 * MB && peak[1] - before[1] < 64 * MB, told(before, peak))
  })
})

async function send(outgoing: ClientRequest, megabytes: number, sent: { bytes: number }): Promise<void> {
  const piece = Buffer.alloc(MB / 4)
  for (; sent.bytes < megabytes * MB; sent.bytes += piece.length)
    if (!outgoing.write(piece)) await once(outgoing, 'drain')
  outgoing.end()
}

function told(before: readonly [number, number], peak: readonly [number, number]): string {
  const inMb = (bytes: number): number => Math.round(bytes / MB)
  return `broker ${inMb(before[0])} → ${inMb(peak[0])}, function ${inMb(before[1])} → ${inMb(peak[1])}`
}

describe('the processes of web handlers', () => {
  let harness: WebHarness
  let server: WebServer
  before(async () => {
    harness = await openProcesses()
  })
  after(() => harness?.close())
  beforeEach(async (t) => {
    server = await startWebServer({ ...harness, placeMs: 200 })
    ;(t as unknown as { after(done: () => Promise<void>): void }).after(() => server.stop(100))
  })
  const call = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${server.url}${path}`, init)

  test('are cold once, and what a request took is kept', async () => {
    const meters = []
    for (const body of ['x'.repeat(1_000), 'x'.repeat(2_000)]) {
      const response = await call('/echo', { method: 'POST', body })
      await response.text()
      meters.push((await server.attemptOf(await server.runOf(response))).meter)
    }
    assert.deepEqual(
      meters.map((meter) => [meter?.cold, meter?.bytesIn, meter?.bytesOut, meter?.memoryMb]),
      [
        [true, 1_000, 1_000, 512],
        [false, 2_000, 2_000, 512],
      ],
    )
    assert.ok(meters.every((meter) => (meter?.cpuMs ?? 0) > 0 && (meter?.peakKb ?? 0) > 10_000))
  })

  test('that end under a request are an answer, and the next request gets another', async () => {
    for (let times = 0; times < 2; times++) {
      const response = await call('/crash')
      assert.deepEqual([response.status, await codeOf(response)], [500, 'TPT_FUNCTION_CRASHED'])
      const { state, failure } = await server.runOf(response)
      assert.deepEqual([state, failure?.code], ['dead', 'TPT_FUNCTION_CRASHED'])
    }
  })

  test('that something is thrown in, outside of the handler, answer for the request', async () => {
    const response = await call('/errors/outside')
    assert.deepEqual([response.status, await codeOf(response)], [500, 'TPT_FUNCTION_FAILED'])
    assert.equal((await server.runOf(response)).failure?.message, 'outside')
  })

  test('outlive a response that nobody reads', async () => {
    const pid = await (await call('/slow/pid')).text()
    const outgoing = httpRequest(`${server.url}/slow/flood`, { agent: false }).end()
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    const { failure } = await eventually(
      async () => (await server.store.runs({ state: 'dead', functionId: 'slow' }))[0],
      'it has timed out',
    )
    assert.equal(failure?.code, 'TPT_TIMEOUT')
    assert.equal(await (await call('/slow/pid')).text(), pid)
    await assert.rejects(response.toArray())
  })

  for (const what of ['end', 'head', 'answer', 'body', 'credit', 'flood'])
    test(`are not believed what they must not say: ${what}`, async () => {
      const response = await call(`/forge/${what}`)
      if (what === 'flood') return assert.rejects(response.text())
      assert.equal(response.status >= 500, true, String(response.status))
      assert.doesNotMatch(await response.text(), /not this|no head/)
      assert.equal((await call('/echo', { method: 'POST', body: 'x' })).status, 200)
    })

  test('have no more places than they may, and callers wait for one so long', async () => {
    const first = new AbortController()
    const held = call('/crowded', { signal: first.signal }).catch(() => undefined)
    const second = await eventually(async () => {
      const response = await call('/crowded', { signal: AbortSignal.timeout(1_000) }).catch(() => null)
      return response?.status === 503 ? response : null
    }, 'the only place is taken')
    assert.deepEqual([await codeOf(second), second.headers.get('retry-after')], ['TPT_OVERLOADED', '1'])
    first.abort()
    await held
    const { result } = await server.newest(1)
    assert.deepEqual(result, { status: 200, gone: true })
  })

  test('finish what is under way when we stop, and are told when that takes too long', async () => {
    const held = call('/gone/waiting')
    await eventually(() => harness.logs.some(({ message }) => message === 'begun'), 'it has begun')
    const stopped = server.stop(50)
    const response = await held
    assert.deepEqual([response.status, await codeOf(response)], [503, 'TPT_SHUTDOWN'])
    await stopped
    assert.equal((await server.newest(1)).failure?.code, 'TPT_SHUTDOWN')
  })
})

describe('a project with web handlers', () => {
  let project: Project
  let processes: ProcessHarness
  let server: WebServer
  let loaded: readonly LoadedFunction[]
  before(async () => {
    project = await makeProject({
      'hello.ts': `export default (request, env, ctx) => new Response('hello from ' + ctx.functionId + ctx.params['*'])`,
      'shop/app.ts': `import { Hono } from 'hono'
import { text } from '../text.ts'
const app = new Hono().basePath('/fn/shop/app')
app.get('/orders/:id', (c) => c.json({ id: c.req.param('id'), q: c.req.query('q'), agent: c.req.header('x-agent') }))
app.post('/orders', async (c) => {
  c.executionCtx.waitUntil(Promise.resolve().then(() => console.log(text())))
  return c.json(await c.req.json(), 201)
})
app.get('/stream', (c) => c.body(new ReadableStream({ start(to) { to.enqueue(new TextEncoder().encode('piece')); to.close() } })))
app.get('/env', (c) => c.json(c.env))
app.onError((error, c) => c.text('caught: ' + error.message, 418))
app.get('/fails', () => { throw new Error('in Hono') })
export const config = { env: ['SHOP'], timeout: '5s' }
export default app`,
      'text.ts': `export default function text() { return 'a helper' }\nexport { text }`,
      'mistaken.ts': `import { defineFunction, queue } from 'tappet'
const fn = defineFunction({ on: queue('b') }, () => null)
export default fn.handler`,
      'class.ts': `export default class Helper {}`,
      'wrong.ts': `import { cron } from 'tappet'
export const config = { on: cron('* * * * *'), retry: false }
export default { fetch: () => new Response() }`,
      'schema.ts': `import { http } from 'tappet'
export const config = { on: http.post('/x', { wait: '5s' }) }
export default { fetch: () => new Response() }`,
    })
    await symlink(join(import.meta.dirname, '../../node_modules'), join(project.root, 'node_modules'))
    const catalog = await project.load()
    loaded = catalog.functions
    assert.deepEqual(
      catalog.problems.map(({ message }) => message),
      [
        'functions/mistaken.ts: must have `export default defineFunction(…)`, got another default export or none',
        'functions/schema.ts: POST /x: a web handler reads its request itself, `wait` does nothing there',
        'functions/wrong.ts: `retry` is no option of a web handler: nothing is tried again',
      ],
    )
    processes = startProcesses(project.root, { environment: () => ({ SHOP: 'shoes' }) })
    server = await startWebServer({ runtime: processes.runtime, functions: loaded })
  })
  after(async () => {
    await server?.stop()
    await processes?.close()
    await project?.remove()
  })
  const call = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${server.url}${path}`, init)

  test('serves a function at its id, and not what others import', async () => {
    assert.deepEqual(
      loaded.map(({ id }) => id),
      ['hello', 'shop/app'],
    )
    assert.equal(await (await call('/fn/hello')).text(), 'hello from helloundefined')
    assert.equal(await (await call('/fn/hello/a/b')).text(), 'hello from helloa/b')
    assert.equal((await call('/fn/text')).status, 404)
  })

  test('serves an app of Hono', async () => {
    const shown = await call('/fn/shop/app/orders/7?q=x', { headers: { 'x-agent': 'test' } })
    assert.deepEqual(await shown.json(), { id: '7', q: 'x', agent: 'test' })
    const made = await call('/fn/shop/app/orders', { method: 'POST', body: '{"n":1}' })
    assert.deepEqual([made.status, await made.json()], [201, { n: 1 }])
    const { id } = await server.runOf(made)
    await eventually(
      () => processes.logs.some((line) => line.runId === id && line.message === 'a helper'),
      'its log',
    )
    assert.equal(await (await call('/fn/shop/app/stream')).text(), 'piece')
    assert.deepEqual(await (await call('/fn/shop/app/env')).json(), { SHOP: 'shoes' })
    const failed = await call('/fn/shop/app/fails')
    assert.deepEqual([failed.status, await failed.text()], [418, 'caught: in Hono'])
    assert.equal((await call('/fn/shop/app/nowhere')).status, 404)
  })
})

async function codeOf(response: Response): Promise<string> {
  return ((await response.json()) as ErrorAnswer).error.code
}
