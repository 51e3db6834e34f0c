import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import type { Catalog } from '../../src/runtime/catalog.ts'
import type { Invocation, Settled } from '../../src/runtime/runtime.ts'
import { eventually } from '../support/eventually.ts'
import { assertPartial, loadLanguages, startLanguages } from '../support/languages.ts'
import {
  find,
  makeInvocation,
  makeProject,
  messageOf,
  never,
  type ProcessHarness,
  type Project,
} from '../support/runtime.ts'

const SERVER = `import { createServer } from 'node:http'
let looks = 0
const send = (response, status, body, headers = {}) => response.writeHead(status, headers).end(body)
createServer(async (request, response) => {
  if (request.method === 'GET') return send(response, ++looks < 3 ? 503 : 200, '')
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const body = Buffer.concat(chunks).toString()
  const { headers, url } = request
  const [what, status, after] = String(JSON.parse(body)).split(' ')
  if (what === 'exit') process.exit(7)
  if (what === 'drop') return request.socket.destroy()
  if (what === 'wait') {
    response.once('close', () => console.log('closed'))
    return console.log('waiting')
  }
  console.log('printed')
  console.error('aside')
  if (what === 'text') return send(response, 200, 'not json')
  if (what === 'empty') return send(response, 204)
  if (what === 'big') return send(response, 200, 'x'.repeat(2_000_000))
  if (what === 'made') return send(response, 201, 'made', { 'x-a': '1' })
  if (what === 'status') return send(response, Number(status), 'why', after ? { 'retry-after': after } : {})
  send(response, 200, JSON.stringify({ headers, url, body, looks, pid: process.pid, env: { ...process.env } }))
}).listen(Number(process.env.PORT), process.env.HOST)
`

const ON = [
  { kind: 'queue', queue: 'q' },
  { kind: 'http', method: 'GET', path: '/q' },
]
const declared = (more: object = {}): string =>
  JSON.stringify({ runtime: 'http', command: [process.execPath, 'server.mjs'], on: ON, ...more })
const served = (name: string, more: object = {}): Record<string, string> => ({
  [`${name}/tappet.json`]: declared(more),
  [`${name}/server.mjs`]: SERVER,
})

interface Echo {
  readonly headers: Record<string, string>
  readonly url: string
  readonly body: string
  readonly looks: number
  readonly pid: number
  readonly env: Record<string, string>
}

describe('functions that are servers', () => {
  let project: Project
  let catalog: Catalog
  let harness: ProcessHarness
  let outside: Server
  let url: string
  before(async () => {
    outside = createServer((request, response) => void request.resume().once('end', () => response.end('42')))
    outside.listen(0, '127.0.0.1')
    await once(outside, 'listening')
    url = `http://127.0.0.1:${(outside.address() as AddressInfo).port}/events`
    project = await makeProject({
      ...served('shop', { maxInstances: 1 }),
      ...served('whole', { content: 'structured', path: '/events?a=b', ready: '/up' }),
      ...served('early', { command: ['sh', '-c', 'echo why >&2; exit 4'] }),
      ...served('silent', { command: ['sh', '-c', 'sleep 60'] }),
      ...{
        'kept/tappet.json': declared({ provisioned: 1 }),
        'kept/server.mjs': `console.log('up')\n${SERVER}`,
      },
      ...{ 'given/tappet.json': declared({ command: undefined, url }) },
    })
    catalog = await loadLanguages(project.root)
    harness = startLanguages({ readyMs: 5_000 })
  })
  after(async () => {
    await harness.close()
    outside.close()
    await project.remove()
  })

  const run = (data: unknown, more: Partial<Invocation> = {}, signal = never, id = 'shop') =>
    harness.runtime.run(find(catalog, id), makeInvocation(data, more), signal)
  const resultOf = async (settled: Promise<Settled>): Promise<unknown> => {
    const how = await settled
    assert.ok(how.ok, JSON.stringify(how))
    return how.result
  }
  const failureOf = async (settled: Promise<Settled>) => {
    const how = await settled
    assert.ok(!how.ok, JSON.stringify(how))
    return { ...how.failure, lost: how.lost }
  }
  const messagesOf = (runId: string): string[] =>
    harness.logs.filter((line) => line.runId === runId).map(({ message }) => message)

  it('get the data of the event, and the rest of it in headers of CloudEvents', async () => {
    assert.deepEqual(catalog.problems, [])
    const runId = 'run_echo'
    const event = messageOf({ text: 'ä' }, { id: 'a b"%ü', subject: '😀' })
    const {
      headers,
      body,
      url: path,
      env,
    } = (await resultOf(run(null, { runId, attempt: 2, event }))) as Echo
    assertPartial(headers, {
      ...{ 'ce-specversion': '1.0', 'ce-id': 'a%20b%22%25%C3%BC', 'ce-source': '/queue/test' },
      ...{ 'ce-type': 'queue.message', 'ce-subject': '%F0%9F%98%80', 'ce-time': event.time },
      ...{ 'content-type': 'application/json', 'tappet-function-id': 'shop', 'tappet-run-id': runId },
      ...{ 'tappet-attempt': '2', 'tappet-max-attempts': '5', 'tappet-trigger': '0' },
    })
    assert.deepEqual([JSON.parse(body), path], [{ text: 'ä' }, '/'])
    assertPartial(env, { HOST: '127.0.0.1', TAPPET_FUNCTION_ID: 'shop' })
    assert.deepEqual(messagesOf(runId).toSorted(), ['aside', 'printed'])
  })

  it('may get the whole event, and are asked when they say that they are ready', async () => {
    const event = messageOf('x', { message: { queue: 'q', headers: {} } })
    const echo = (await resultOf(run(null, { event }, never, 'whole'))) as Echo
    assert.deepEqual([JSON.parse(echo.body), echo.url, echo.looks], [event, '/events?a=b', 3])
    assert.equal(echo.headers['content-type'], 'application/cloudevents+json')
  })

  it('keep their process, and take several calls at once', async () => {
    const echoes = (await Promise.all([1, 2, 3, 4].map((data) => resultOf(run(data))))) as Echo[]
    assert.equal(new Set(echoes.map(({ pid }) => pid)).size, 1)
  })

  it('answer with JSON, text or nothing; a request is answered with all that they say', async () => {
    assert.equal(await resultOf(run('text')), 'not json')
    assert.equal(await resultOf(run('empty')), null)
    const { '~response': response } = (await resultOf(run('made', { trigger: 1 }))) as {
      '~response': { status: number; headers: string[][]; body: string }
    }
    assertPartial(response, { status: 201, body: Buffer.from('made').toString('base64') })
    assert.deepEqual(response.headers[0], ['x-a', '1'])
  })

  const statuses = { final: [301, 400, 401, 410, 422], later: [404, 408, 409, 425, 429, 500, 503] }
  for (const [kind, some] of Object.entries(statuses)) {
    it(`fail by their status; ${kind}: ${some.join(', ')}`, async () => {
      for (const status of some) {
        assertPartial(await failureOf(run(`status ${status}`)), {
          ...{ code: 'TPT_FUNCTION_FAILED', retryable: kind === 'later', retryAfterMs: null, lost: false },
          message: `functions/shop/tappet.json: its server answered ${status}: why`,
        })
      }
    })
  }

  it('say with Retry-After when', async () => {
    assert.equal((await failureOf(run('status 503 7'))).retryAfterMs, 7_000)
    assert.equal((await failureOf(run('status 429 soon'))).retryAfterMs, null)
  })

  it('fail by a result that is too large, and by no answer', async () => {
    assertPartial(await failureOf(run('big')), { code: 'TPT_RESULT_INVALID', retryable: false })
    const failure = await failureOf(run('drop'))
    assertPartial(failure, { code: 'TPT_FUNCTION_FAILED', retryable: true, lost: false })
    assert.match(failure.message, /its server closed the connection without an answer/)
  })

  it('that crash fail with how, and the next run has a new process', async () => {
    const failure = await failureOf(run('exit'))
    assertPartial(failure, { code: 'TPT_FUNCTION_CRASHED', lost: false })
    assert.match(failure.message, /shop\/tappet\.json: the process exited with code 7/)
    assert.equal(typeof ((await resultOf(run('echo'))) as Echo).pid, 'number')
  })

  it('see the connection closed at the timeout, and are replaced', async () => {
    const { pid } = (await resultOf(run('echo'))) as Echo
    const runId = 'run_wait'
    const abort = new AbortController()
    const settled = run('wait', { runId }, abort.signal)
    await eventually(() => messagesOf(runId).includes('waiting'), 'it has begun')
    abort.abort(Object.assign(new Error('too late'), { code: 'TPT_TIMEOUT' }))
    assertPartial(await failureOf(settled), { code: 'TPT_TIMEOUT', lost: false })
    assert.notEqual(((await resultOf(run('echo'))) as Echo).pid, pid)
  })

  it('that are kept ready are started again when they end', async () => {
    const fresh = startLanguages()
    const ups = (): number => fresh.output.filter((line) => line.includes('up')).length
    const kept = find(catalog, 'kept')
    fresh.runtime.retain([kept])
    await eventually(() => ups() === 1, 'it is there before a call')
    await failureOf(fresh.runtime.run(kept, makeInvocation('exit'), never))
    await eventually(() => ups() === 2, 'it is there again without a call')
    await fresh.close()
  })

  it('that do not get ready say why', async () => {
    const early = await failureOf(run(null, {}, never, 'early'))
    assert.equal(early.code, 'TPT_FUNCTION_LOAD')
    assert.match(early.message, /exited with code 4 \(why\) while it loaded/)
    const fresh = startLanguages({ readyMs: 200 })
    const settled = await fresh.runtime.run(find(catalog, 'silent'), makeInvocation(null), never)
    await fresh.close()
    assert.ok(!settled.ok)
    assert.equal(settled.failure.code, 'TPT_FUNCTION_LOAD')
    assert.match(settled.failure.message, /must take connections at PORT within 0\.2 s, it did not/)
  })

  it('may run already; when they are gone, the run is tried again', async () => {
    assert.equal(await resultOf(run(null, {}, never, 'given')), 42)
    outside.close()
    outside.closeAllConnections()
    const failure = await failureOf(run(null, {}, never, 'given'))
    assertPartial(failure, { code: 'TPT_OUTGOING_FAILED', retryable: true, lost: false })
    assert.ok(failure.message.includes(url))
  })
})
