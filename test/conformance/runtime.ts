import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { TappetError } from '../../src/errors.ts'
import type { FunctionRuntime, LoadedFunction, LogLine, Settled } from '../../src/runtime/runtime.ts'
import { eventually } from '../support/eventually.ts'
import { BIG, type FakeHost, makeInvocation, messageOf, never } from '../support/runtime.ts'

export interface RuntimeHarness {
  readonly runtime: FunctionRuntime
  readonly host: FakeHost
  readonly logs: readonly LogLine[]
  close(): Promise<void>
}

export interface RuntimeSuite {
  /** Makes the functions of `test/support/runtime-functions.ts` known; once. */
  prepare(): Promise<{ find(id: string): LoadedFunction; remove(): Promise<void> }>
  open(): Promise<RuntimeHarness>
}

/** What every runtime does, wherever the functions run. */
export function testRuntime(name: string, suite: RuntimeSuite): void {
  describe(name, () => {
    let prepared: Awaited<ReturnType<RuntimeSuite['prepare']>>
    let harness: RuntimeHarness
    const fn = (id: string): LoadedFunction => prepared.find(id)
    const run = (id: string, data: unknown, more = {}, signal = never): Promise<Settled> =>
      harness.runtime.run(fn(id), makeInvocation(data, more), signal)

    before(async () => {
      prepared = await suite.prepare()
    })
    after(() => prepared.remove())
    beforeEach(async () => {
      harness = await suite.open()
    })
    afterEach(() => harness.close())

    describe('results', () => {
      test('are what the handler returned', async () => {
        const data = { text: 'ä\n"\u0000\ud83d\ude00', list: [1, null, { __proto__: null }], zero: 0 }
        assert.deepEqual(await run('echo', data), { ok: true, result: JSON.parse(JSON.stringify(data)) })
        assert.deepEqual(await run('echo', null), { ok: true, result: null })
      })

      test('keep a property named __proto__', async () => {
        const data: unknown = JSON.parse('{"__proto__":{"admin":true},"a":1}')
        const settled = await run('echo', data)
        assert.equal(settled.ok && JSON.stringify(settled.result), JSON.stringify(data))
      })

      test('are null for undefined', async () => {
        assert.deepEqual(await run('nothing', {}), { ok: true, result: null })
      })

      test('may be a web Response', async () => {
        const settled = await run('response', null)
        assert.ok(settled.ok)
        const { '~response': sent } = settled.result as {
          '~response': { status: number; body: string; headers: [] }
        }
        assert.equal(sent.status, 201)
        assert.equal(Buffer.from(sent.body, 'base64').toString(), '{"made":true}')
        assert.equal(new Map(sent.headers).get('x-shop'), 'tappet')
      })

      for (const data of ['bigint', 'cycle', 'function', 'symbol', 'over the limit', '2 MiB', '20 MB']) {
        test(`that JSON cannot hold, or not so much of it: ${data}`, async () => {
          const settled = await run('results', data)
          assert.ok(!settled.ok && !settled.lost)
          assert.deepEqual([settled.failure.code, settled.failure.retryable], ['TPT_RESULT_INVALID', false])
          assert.match(settled.failure.message, /^the result must be/)
        })
      }

      test('that JSON can just hold', async () => {
        assert.deepEqual(await run('results', 'toJson'), { ok: true, result: '1970-01-01T00:00:00.000Z' })
        assert.deepEqual(await run('results', 'nan'), { ok: true, result: null })
        const settled = await run('results', 'at the limit')
        assert.equal(settled.ok && (settled.result as string).length, 1_048_574)
      })
    })

    test('a handler sees its event and its place', async () => {
      const invocation = makeInvocation({ a: 1 }, { attempt: 2, maxAttempts: 3 })
      const { runId, attempt, maxAttempts, event } = invocation
      const settled = await harness.runtime.run(fn('context'), invocation, never)
      assert.deepEqual(settled, {
        ok: true,
        result: { event, functionId: 'context', runId, attempt, maxAttempts },
      })
    })

    describe('what a handler throws', () => {
      const expected: Readonly<Record<string, object>> = {
        error: {
          name: 'RangeError',
          message: 'out of range',
          code: null,
          retryable: true,
          retryAfterMs: null,
        },
        coded: { name: 'Error', message: 'no route', code: 'EHOSTUNREACH', retryable: true },
        string: { name: 'NonError', message: 'just text', stack: null, retryable: true },
        null: { name: 'NonError', message: 'null', retryable: true },
        undefined: { name: 'NonError', message: 'undefined', retryable: true },
        object: { name: 'NonError', message: '{"reason":7}', retryable: true },
        frozen: { name: 'Error', message: 'frozen', retryable: true },
        unreadable: { name: 'NonError', message: 'a value was thrown that cannot be read', retryable: true },
        fatal: { name: 'FatalError', message: 'never again', retryable: false, retryAfterMs: null },
        retryAfter: { name: 'RetryAfterError', message: 'busy', retryable: true, retryAfterMs: 90_000 },
      }
      for (const [kind, wanted] of Object.entries(expected)) {
        test(`is a failure: ${kind}`, async () => {
          const settled = await run('throws', kind)
          assert.ok(!settled.ok && !settled.lost)
          assert.deepEqual({ ...settled.failure, ...wanted }, settled.failure)
        })
      }
    })

    describe('schemas', () => {
      const placed = '2026-11-23T12:00:00Z'

      test('give the handler what they make of the event', async () => {
        const event = messageOf(
          { id: 'o1', total: '12.50', placed, more: 1 },
          { type: 'http.request', request: { query: { page: '3' } } },
        )
        const settled = await harness.runtime.run(fn('order'), makeInvocation(null, { event }), never)
        const data = { id: 'o1', total: 12.5, currency: 'EUR', placed: '2026-11-23T12:00:00.000Z' }
        assert.deepEqual(settled, { ok: true, result: { data, isDate: true, page: 3 } })
      })

      test('of another trigger do not apply', async () => {
        const settled = await run('order', { id: 'o1', placed, total: '1' }, { trigger: 2 })
        assert.deepEqual(settled, {
          ok: true,
          result: { data: { id: 'o1', placed, total: '1' }, isDate: false, page: null },
        })
      })

      test('refuse an event for good, with all their issues', async () => {
        const settled = await run('order', { id: 'o', total: 'x', placed }, { trigger: 1 })
        assert.ok(!settled.ok && !settled.lost)
        assert.deepEqual([settled.failure.code, settled.failure.retryable], ['TPT_EVENT_INVALID', false])
        assert.match(settled.failure.message, /\/data\/id: .*; \/data\/total: /)
      })

      test('leave the missing side of a change alone', async () => {
        const event = messageOf(
          { id: '7' },
          { type: 'postgres.insert', change: { before: null, after: { id: '7' } } },
        )
        const settled = await harness.runtime.run(fn('row'), makeInvocation(null, { event }), never)
        assert.deepEqual(settled, { ok: true, result: { data: { id: 7 }, before: null, after: { id: 7 } } })
      })

      test('leave alone what has no row', async () => {
        const change = { before: null, after: null }
        const event = messageOf(null, { type: 'postgres.truncate', change })
        assert.deepEqual(await harness.runtime.admit(fn('emptied'), event, 0), {
          ok: true,
          key: 'emptied',
          orderingKey: null,
        })
      })

      test('apply to both sides of a change', async () => {
        const change = { before: { id: 'x' }, after: { id: '8' } }
        const event = messageOf({ id: '8' }, { type: 'postgres.update', change })
        const admission = await harness.runtime.admit(fn('row'), event, 0)
        assert.deepEqual(admission.ok || admission.issues.map(({ path }) => path), ['/change/before/id'])
      })

      test('may be asynchronous, and may throw', async () => {
        assert.deepEqual(await run('refined', 'good'), { ok: true, result: 'good' })
        const bad = await harness.runtime.admit(fn('refined'), messageOf('bad'), 0)
        assert.deepEqual(bad, { ok: false, issues: [{ path: '/data', message: 'is bad' }] })
        const broken = await harness.runtime.admit(fn('unchecked'), messageOf('throw'), 0)
        assert.deepEqual(broken, {
          ok: false,
          issues: [{ path: '/data', message: 'its schema threw: the schema is broken' }],
        })
      })
    })

    describe('admission', () => {
      test('gives the key, computed on the checked event', async () => {
        const event = messageOf({ id: 'o1', total: '1', placed: '2026-11-23T12:00:00Z' })
        assert.deepEqual(await harness.runtime.admit(fn('order'), event, 1), {
          ok: true,
          key: 'order o1',
          orderingKey: null,
        })
      })

      test('gives no key where none is declared', async () => {
        assert.deepEqual(await harness.runtime.admit(fn('unkeyed'), messageOf(1), 0), {
          ok: true,
          key: null,
          orderingKey: null,
        })
      })

      test('gives the issues', async () => {
        const admission = await harness.runtime.admit(fn('order'), messageOf({ id: 'o1' }), 1)
        assert.ok(!admission.ok)
        assert.deepEqual(admission.issues.map(({ path }) => path).toSorted(), ['/data/placed', '/data/total'])
        assert.ok(admission.issues.every(({ message }) => message.length > 0))
      })

      const wrong: Readonly<Record<string, RegExp>> = {
        number: /must return a string, got a value of type number/,
        promise: /must return a string, got a value of type object/,
        empty: /must return 1 to 1024 characters, got 0/,
        long: /must return 1 to 1024 characters, got 1025/,
        nul: /must return text without NUL/,
        throws: /threw: no key today/,
      }
      for (const [kind, message] of Object.entries(wrong)) {
        test(`refuses an event without a usable key: ${kind}`, async () => {
          const admission = await harness.runtime.admit(fn('keyed'), messageOf(kind), 0)
          assert.ok(!admission.ok)
          assert.match(admission.issues[0]?.message ?? '', message)
        })
      }

      test('gives the ordering key, and refuses an event without a usable one', async () => {
        const good = await harness.runtime.admit(fn('ordered'), messageOf('7'), 0)
        assert.deepEqual(good, { ok: true, key: null, orderingKey: 'order 7' })
        const bad = await harness.runtime.admit(fn('ordered'), messageOf('throws'), 0)
        assert.ok(!bad.ok)
        assert.match(bad.issues[0]?.message ?? '', /`orderingKey` threw: no key today/)
      })

      test('runs no event without a usable ordering key, even if it could not be refused', async () => {
        const settled = await run('ordered', 'throws')
        assert.ok(!settled.ok && !settled.lost)
        assert.deepEqual([settled.failure.code, settled.failure.retryable], ['TPT_EVENT_INVALID', false])
      })

      test('takes the longest key', async () => {
        const admission = await harness.runtime.admit(fn('keyed'), messageOf('longest'), 0)
        assert.equal(admission.ok && admission.key?.length, 1_024)
      })
    })

    describe('logs', () => {
      test('come in order, with level and fields, before the run settles', async () => {
        const invocation = makeInvocation(null, { attempt: 3 })
        await harness.runtime.run(fn('logs'), invocation, never)
        const lines = harness.logs.map(({ level, message }) => `${level} ${message}`)
        assert.deepEqual(lines, ['debug first', 'info second', 'warn third', 'error fourth', 'info fifth'])
        const [first, second, third, fourth, fifth] = harness.logs
        assert.deepEqual([first?.fields, second?.fields], [null, { orderId: 7, nested: { ok: true } }])
        const err = third?.fields?.err as { name: string; message: string } | undefined
        assert.deepEqual([err?.name, err?.message], ['TypeError', 'wrong'])
        assert.deepEqual(fourth?.fields, { big: '10' })
        assert.match(String(fifth?.fields?.value), /Circular/)
        assert.ok(harness.logs.every(({ runId, attempt }) => runId === invocation.runId && attempt === 3))
        assert.ok(harness.logs.every(({ time }) => new Date(time).toISOString() === time))
      })

      test('of one run have an end', async () => {
        assert.deepEqual(await run('chatty', null), { ok: true, result: 'done' })
        assert.ok(harness.logs.length <= 5_001, `got ${harness.logs.length} lines`)
        assert.match(harness.logs.at(-1)?.message ?? '', /^log cut off/)
        assert.match(harness.logs.at(-2)?.message ?? '', /^\d+ x+$/)
      })
    })

    describe('ctx.send', () => {
      test('gives the message to the host, with the run’s place in a trace', async () => {
        const trace = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' }
        const invocation = makeInvocation({ to: 'c@d.co' }, { trace })
        const from = { functionId: 'sender', runId: invocation.runId, trace }
        assert.equal((await harness.runtime.run(fn('sender'), invocation, never)).ok, true)
        assert.deepEqual(harness.host.sent, [
          { queue: 'emails', data: { to: 'a@b.co' }, key: 'k1', delayMs: 5_000, ...from },
          { queue: 'emails', data: { to: 'c@d.co' }, key: null, delayMs: 0, ...from },
        ])
      })

      test('names the option that is wrong', async () => {
        const messages = {
          delay: /`delay` of `ctx.send` must be like/,
          queue: /takes a queue first/,
          bigint: /BigInt/,
          large: /at most 15728640 bytes of JSON, got 20000002/,
        }
        for (const [data, message] of Object.entries(messages)) {
          const settled = await run('badSender', data)
          assert.match(settled.ok ? '' : settled.failure.message, message)
        }
        assert.deepEqual(harness.host.sent, [])
      })

      test('fails as the host does', async () => {
        const settled = await run('badSender', 'full')
        assert.ok(!settled.ok && !settled.lost)
        assert.deepEqual(
          [settled.failure.code, settled.failure.message, settled.failure.retryable],
          ['TPT_UNAVAILABLE', 'the ledger does not answer', true],
        )
      })
    })

    describe('ctx.files', () => {
      test('streams a file of 1 MB in pieces', async () => {
        const settled = await run('reader', 'big.bin')
        const sha256 = createHash('sha256').update(BIG).digest('hex')
        assert.ok(settled.ok)
        assert.deepEqual(
          { ...(settled.result as object), text: null },
          { bytes: BIG.length, whole: BIG.length, text: null, sha256, key: 'big.bin', said: BIG.length },
        )
        assert.ok(Math.max(...harness.host.reads) <= 262_144)
      })

      test('streams an empty file', async () => {
        const settled = await run('reader', 'empty.bin')
        assert.equal(settled.ok && (settled.result as { bytes: number }).bytes, 0)
      })

      test('fails for good where there is no file', async () => {
        const settled = await run('reader', 'nope.bin')
        assert.ok(!settled.ok)
        assert.deepEqual([settled.failure.code, settled.failure.retryable], ['TPT_NOT_FOUND', false])
      })
    })

    describe('the signal', () => {
      const reason = new TappetError('TPT_TIMEOUT', 'functions/waits.ts: took longer than 30 s')
      const saw = (message: string): Promise<LogLine> =>
        eventually(() => harness.logs.find((line) => line.message === message), `the line '${message}'`)

      for (const how of ['throw', 'return']) {
        test(`reaches the function, which may ${how}; its reason is the outcome`, async () => {
          const controller = new AbortController()
          const running = run('waits', how, {}, controller.signal)
          await saw('waiting')
          controller.abort(reason)
          const settled = await running
          assert.ok(!settled.ok && !settled.lost)
          assert.deepEqual([settled.failure.code, settled.failure.message], [reason.code, reason.message])
          assert.deepEqual((await saw('aborted')).fields, {
            name: 'TappetError',
            message: reason.message,
            code: 'TPT_TIMEOUT',
          })
        })
      }

      test('is honoured within a second, or the run is given up', async () => {
        const controller = new AbortController()
        const running = run('waits', 'ignore', {}, controller.signal)
        await saw('waiting')
        const startedMs = performance.now()
        controller.abort(reason)
        const settled = await running
        const tookMs = performance.now() - startedMs
        assert.equal(!settled.ok && settled.failure.code, 'TPT_TIMEOUT')
        assert.ok(tookMs > 900 && tookMs < 2_500, `took ${tookMs} ms`)
      })

      test('that has aborted already lets nothing start', async () => {
        const settled = await run('waits', 'return', {}, AbortSignal.abort(reason))
        assert.equal(!settled.ok && settled.failure.code, 'TPT_TIMEOUT')
        assert.deepEqual(harness.logs, [])
      })
    })

    test('many calls at once do not mix', async () => {
      const settled = await Promise.all(Array.from({ length: 200 }, (_, n) => run('echo', { n })))
      assert.deepEqual(
        settled,
        Array.from({ length: 200 }, (_, n) => ({ ok: true, result: { n } })),
      )
    })

    test('close is idempotent', async () => {
      await run('echo', 1)
      await Promise.all([harness.runtime.close(), harness.runtime.close()])
      await harness.runtime.close()
    })
  })
}
