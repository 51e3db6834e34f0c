import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readManifest } from '../../src/runtime/ndjson/manifest.ts'
import { assertPartial } from '../support/languages.ts'
import { createSplitter } from '../../src/runtime/ndjson/lines.ts'

const good = { runtime: 'ndjson', command: ['python3', 'main.py'], on: { kind: 'queue', queue: 'q' } }
const read = (value: unknown) => readManifest(JSON.stringify(value), true)

describe('the declaration of a function in another language', () => {
  it('has every default filled in', () => {
    assert.deepEqual(read(good), {
      runtime: 'ndjson',
      command: ['python3', 'main.py'],
      triggers: [{ kind: 'queue', label: 'queue q', queue: 'q', schemas: [] }],
      retry: { attempts: 5, delayMs: 1_000, factor: 2, maxDelayMs: 300_000, jitter: 0.2 },
      timeoutMs: 30_000,
      concurrency: null,
      ...{ instanceConcurrency: 1, maxInstances: null, provisioned: 0, memoryMb: 512, maxProcesses: 64 },
      ...{ env: [], hasEnvSchema: false, secrets: [] },
      ...{ isolation: 'process', network: false },
      database: null,
      hasIdempotencyKey: false,
      hasOrderingKey: false,
    })
  })

  it('of Lambda needs no command: it is ./bootstrap', () => {
    const declared = read({ runtime: 'lambda', on: good.on, handler: 'app.handler', provisioned: 1 })
    assertPartial(declared, { command: ['./bootstrap'], handler: 'app.handler', instanceConcurrency: 1 })
    assertPartial(readManifest(JSON.stringify({ runtime: 'lambda', on: good.on }), false), { command: null })
  })

  it('of a server says how it is asked', () => {
    const target = { url: null, path: '/', ready: null, content: 'binary' }
    assertPartial(read({ ...good, runtime: 'http' }), { http: target, instanceConcurrency: 10 })
    const { on } = good
    const how = { path: '/a?b=c', ready: '/up', content: 'structured' }
    assertPartial(read({ ...good, runtime: 'http', ...how }), { http: { ...target, ...how } })
    const url = 'http://localhost:8080/a?b'
    assertPartial(read({ runtime: 'http', url, on }), {
      ...{ http: { ...target, url, path: '/a?b' }, command: [], maxInstances: 1 },
    })
  })

  it('declares what TypeScript would', () => {
    const on = [
      { kind: 'http', method: 'POST', path: '/a', wait: '5s', verify: { scheme: 'github', secret: 'S' } },
      { kind: 'http', method: 'GET', path: '/b', verify: { scheme: 'hmac', secret: 'S', header: 'X-Sig' } },
      { kind: 'cron', expression: '* * * * *', overlap: 'queue' },
      { kind: 'postgres', table: 'orders', operation: 'update', of: ['total'], when: 'new.total > 1' },
      { kind: 'upload', pattern: 'a/**', accept: ['image/*'] },
    ]
    const declared = read({ ...good, on, retry: false, timeout: '2s', env: ['A'] })
    assert.ok('triggers' in declared, JSON.stringify(declared))
    assert.deepEqual(
      declared.triggers.map(({ label }) => label),
      ['POST /a', 'GET /b', '* * * * * UTC', 'orders update of total', 'upload a/**'],
    )
    const [first, second] = declared.triggers as unknown as { verify: object; wait: string }[]
    assert.equal(first?.wait, '5s')
    assertPartial(first?.verify, { scheme: 'github', secrets: ['S'] })
    assertPartial(second?.verify, { scheme: 'hmac', header: 'x-sig', encoding: 'hex' })
    assert.deepEqual([declared.concurrency, declared.retry.attempts, declared.timeoutMs], [1, 1, 2_000])
  })

  const mistakes: readonly (readonly [what: object, message: string])[] = [
    [{ runtime: 'python' }, "`runtime` must be 'ndjson', 'script', 'lambda' or 'http', got 'python'"],
    [{ command: 'python3' }, "`command` must be a list, such as ['python3', 'main.py'], got 'python3'"],
    [{ command: [''] }, "`command[0]` must be a text that is not empty, got ''"],
    [{ command: undefined }, "`command` must be a list, such as ['python3', 'main.py'], got nothing"],
    [{ on: undefined }, '`on` must be a trigger or a list of them, got nothing'],
    [{ on: [] }, '`on` must be a trigger or a list of them, got []'],
    [{ on: 'http' }, `\`on\` must be a trigger, such as {"kind":"queue","queue":"mail"}, got 'http'`],
    [
      { on: [{ kind: 'mail' }] },
      "`on[0].kind` must be 'http', 'cron', 'postgres', 'queue' or 'upload', got 'mail'",
    ],
    [
      { on: { kind: 'http', method: 'post', path: '/' } },
      "`on.method` must be GET, POST, PUT, PATCH, DELETE, got 'post'",
    ],
    [{ on: { kind: 'queue', queue: 'q', data: 1 } }, '`on.data` is no option; there are kind, queue'],
    [{ on: { kind: 'http', method: 'GET', path: '/', wait: 5 } }, "`on.wait` must be like '30s', got 5"],
    [
      { on: { kind: 'http', method: 'GET', path: '/', verify: { scheme: 'hmac', secret: 'S' } } },
      "`on.verify.header` must be the name of a header, with scheme 'hmac', got nothing",
    ],
    [{ timeout: '30 sec' }, "`timeout` must be like '30s', got '30 sec'"],
    [{ retry: { attempts: 0 } }, '`retry.attempts` must be a whole number from 1 on, got 0'],
    [
      { env: 'A' },
      "`env` must be a list of names of environment variables, or a schema of an object of them, got 'A'",
    ],
    [{ runtime: 'script', provisioned: 1 }, "`provisioned` must be left out with runtime 'script', got 1"],
    [{ runtime: 'http', path: 'events' }, "`path` must be a path, such as '/events', got 'events'"],
    [
      { runtime: 'http', command: undefined, url: 'http://example.com/' },
      "`url` must be a loopback URL, such as 'http://127.0.0.1:8080/events', got 'http://example.com/'",
    ],
    [
      { runtime: 'http', url: 'http://127.0.0.1:80/' },
      '`command` must be left out with a `url`, got ["python3","main.py"]',
    ],
    [{ ready: '/' }, "`ready` must be left out with runtime 'ndjson', got '/'"],
    [{ handler: 'a.b' }, "`handler` must be left out with runtime 'ndjson', got 'a.b'"],
    [
      { runtime: 'lambda', instanceConcurrency: 2 },
      "`instanceConcurrency` must be left out with runtime 'lambda', got 2",
    ],
  ]
  for (const [what, message] of mistakes) {
    it(`gets one message for ${JSON.stringify(what)}`, () => {
      assert.deepEqual(read({ ...good, ...what }), [message])
    })
  }

  it('tells of an option that there is none of, and of text that is no JSON', () => {
    assert.match(
      JSON.stringify(read({ ...good, memory: 64 })),
      /^\["`memory` is no option; there are runtime, handler, url, path, ready, content, command, on/,
    )
    assert.match(JSON.stringify(readManifest('{', true)), /^\["must be JSON: /)
    assert.deepEqual(readManifest('[]', true), ['must be a JSON object, got []'])
  })
})

describe('lines', () => {
  it('are whole, however they come', () => {
    const lines: string[] = []
    const split = createSplitter((line) => lines.push(line), assert.fail, 100)
    for (const text of ['a', 'b\n\nc\n', 'd', '\n', 'rest']) split(text)
    assert.deepEqual(lines, ['ab', 'c', 'd'])
  })

  it('end where one is too long', () => {
    const lines: string[] = []
    let tooLong = 0
    const split = createSplitter(
      (line) => lines.push(line),
      () => tooLong++,
      3,
    )
    for (const text of ['abc\n', 'abcd', '\nx\n']) split(text)
    assert.deepEqual([lines, tooLong], [['abc'], 1])
  })
})
