import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import * as api from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { startTracing } from '../../src/app/tracing.ts'
import { createBroker } from '../../src/broker.ts'
import { defineFunction, type FunctionDefinition } from '../../src/define/define-function.ts'
import { FatalError } from '../../src/errors.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { createMemoryQueue } from '../../src/queue/memory.ts'
import { createInlineRuntime } from '../../src/runtime/inline.ts'
import { createMemoryStore } from '../../src/store/memory/store.ts'
import { NO_TRACING, type Tracing } from '../../src/tracing/tracing.ts'
import { queue } from '../../src/triggers/queue/declare.ts'
import { fromMessage, type Message } from '../../src/triggers/queue/normalize.ts'
import type { Declared } from '../../src/triggers/trigger.ts'
import { createDispatcher } from '../../src/worker/dispatcher.ts'
import { createWorker } from '../../src/worker/worker.ts'
import { eventually } from '../support/eventually.ts'
import { makeFunction } from '../support/make.ts'

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736'
const CALLER = '00f067aa0ba902b7'
const CONFIG = { root: '.', otel: null }

/** Two functions, of which one sends to the other; what they were given. */
async function startTwo(tracing: Tracing) {
  const given: (string | null)[] = []
  const second = queue('second')
  const definitions = new Map<string, FunctionDefinition>([
    [
      'first',
      defineFunction({ on: queue('first') }, async (_event, ctx) => {
        given.push(ctx.traceparent)
        await ctx.send(second, { fail: true })
      }) as FunctionDefinition,
    ],
    [
      'second',
      defineFunction({ on: second }, (_event, ctx) => {
        given.push(ctx.traceparent)
        throw new FatalError('the mailbox is full')
      }) as FunctionDefinition,
    ],
  ])
  const functions = [...definitions.keys()].map((id) =>
    makeFunction({ id, triggers: [{ kind: 'queue', label: id, schemas: [] }] }),
  )
  const store = createMemoryStore()
  const jobs = createMemoryQueue()
  const logger = silentLogger
  const send = async (message: Message): Promise<void> => {
    const trigger = { kind: 'queue', label: message.queue, schemas: [] } as Declared
    await broker.emit(fromMessage(message), [{ functionId: message.queue, index: 0, trigger }])
  }
  const refuse = (): Promise<never> => Promise.reject(new Error('not in this test'))
  const runtime = createInlineRuntime(
    definitions,
    { send, fileInfo: refuse, fileRead: refuse },
    () => undefined,
  )
  const dispatcher = createDispatcher({ store, queue: jobs, logger })
  const findFunction = (id: string) => functions.find((fn) => fn.id === id)
  const broker = createBroker({ store, runtime, dispatcher, logger, findFunction, tracing })
  const worker = createWorker({ store, queue: jobs, runtime, dispatcher, logger, tracing })
  dispatcher.start()
  await worker.serve(functions)
  return {
    given,
    send,
    async stop() {
      await broker.stop()
      await worker.stop(1_000)
      await dispatcher.stop()
      await jobs.close()
      await store.close()
    },
  }
}

const MESSAGE = { queue: 'first', data: {}, key: null, delayMs: 0 }

describe('without an SDK', () => {
  it('there are no spans, and events hand on where they stand in a trace', async () => {
    const { tracing } = await startTracing(CONFIG, silentLogger)
    assert.equal(tracing, NO_TRACING)
    const two = await startTwo(tracing)
    const traceparent = `00-${TRACE_ID}-${CALLER}-01`
    await two.send({ ...MESSAGE, headers: { traceparent } })
    await eventually(() => two.given.length === 2, 'both to run')
    assert.deepEqual(two.given, [traceparent, traceparent])
    await two.stop()
  })
})

describe('with an SDK', () => {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  before(() => void api.trace.setGlobalTracerProvider(provider))
  after(async () => {
    api.trace.disable()
    await provider.shutdown()
  })

  const span = (name: string): ReadableSpan => {
    const [found, ...more] = exporter.getFinishedSpans().filter((one) => one.name === name)
    assert.ok(found && more.length === 0, name)
    return found
  }

  it('spans lead from the caller over the queue to each function and what it sends', async () => {
    exporter.reset()
    const two = await startTwo((await startTracing(CONFIG, silentLogger)).tracing)
    await two.send({
      ...MESSAGE,
      headers: { traceparent: `00-${TRACE_ID}-${CALLER}-01`, tracestate: 'vendor=1' },
    })
    await eventually(() => exporter.getFinishedSpans().length === 4, 'four spans')
    await two.stop()
    const [emitted, sent] = exporter
      .getFinishedSpans()
      .filter(({ name }) => name === 'emit queue.message')
      .toSorted((a, b) => a.startTime[0] - b.startTime[0] || a.startTime[1] - b.startTime[1])
    const [first, second] = [span('run first'), span('run second')]
    assert.ok(emitted && sent)
    const ids = [emitted, first, sent, second].map((one) => one.spanContext().spanId)
    const parents = [emitted, first, sent, second].map(({ parentSpanContext }) => parentSpanContext?.spanId)
    assert.deepEqual(parents, [CALLER, ...ids.slice(0, 3)])
    for (const one of [emitted, first, sent, second]) assert.equal(one.spanContext().traceId, TRACE_ID)
    assert.deepEqual(
      two.given,
      [first, second].map((one) => `00-${TRACE_ID}-${one.spanContext().spanId}-01`),
    )
    assert.equal(second.spanContext().traceState?.serialize(), 'vendor=1')
    assert.deepEqual([emitted.kind, first.kind], [api.SpanKind.PRODUCER, api.SpanKind.CONSUMER])
    assert.equal(first.attributes['faas.name'], 'first')
    assert.match(String(first.attributes['faas.invocation_id']), /^run_/)
    assert.match(String(emitted.attributes['tappet.event.id']), /^evt_/)
    assert.equal(first.status.code, api.SpanStatusCode.UNSET)
    assert.deepEqual(second.status, { code: api.SpanStatusCode.ERROR, message: 'the mailbox is full' })
    assert.equal(second.events[0]?.attributes?.['exception.message'], 'the mailbox is full')
  })

  it('what comes without a trace begins one', async () => {
    exporter.reset()
    const two = await startTwo((await startTracing(CONFIG, silentLogger)).tracing)
    await two.send(MESSAGE)
    await eventually(() => exporter.getFinishedSpans().length === 4, 'four spans')
    await two.stop()
    const traces = new Set(exporter.getFinishedSpans().map((one) => one.spanContext().traceId))
    assert.equal(traces.size, 1)
    assert.equal(two.given[0]?.split('-')[1], [...traces][0])
  })

  it('what the caller does not sample is not, and the way is handed on all the same', async () => {
    exporter.reset()
    const two = await startTwo((await startTracing(CONFIG, silentLogger)).tracing)
    await two.send({ ...MESSAGE, headers: { traceparent: `00-${TRACE_ID}-${CALLER}-00` } })
    await eventually(() => two.given.length === 2, 'both to run')
    await two.stop()
    assert.equal(exporter.getFinishedSpans().length, 0)
    for (const traceparent of two.given) assert.match(traceparent ?? '', new RegExp(`^00-${TRACE_ID}-.*-00$`))
  })

  it('refuses an event within its span', async () => {
    exporter.reset()
    const { tracing } = await startTracing(CONFIG, silentLogger)
    const fail = tracing.emit(fromMessage(MESSAGE), () => Promise.reject(new Error('no room')))
    await assert.rejects(fail, /no room/)
    assert.equal(span('emit queue.message').status.code, api.SpanStatusCode.ERROR)
  })
})

describe('a module that cannot be loaded', () => {
  it('is told by its name', async () => {
    await assert.rejects(startTracing({ root: '/nowhere', otel: './otel.mjs' }, silentLogger), {
      code: 'TPT_CONFIG_INVALID',
      message: /^TAPPET_OTEL: \/nowhere\/otel\.mjs could not be loaded/,
    })
  })
})
