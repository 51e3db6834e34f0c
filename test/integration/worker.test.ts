import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { defineFunction, type FunctionDefinition } from '../../src/define/define-function.ts'
import { TappetError, toFailure } from '../../src/errors.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { createMemoryQueue } from '../../src/queue/memory.ts'
import { createInlineRuntime } from '../../src/runtime/inline.ts'
import type { FunctionRuntime } from '../../src/runtime/runtime.ts'
import { createMemoryStore } from '../../src/store/memory/store.ts'
import { queue } from '../../src/triggers/queue/declare.ts'
import type { Run, Store } from '../../src/store/store.ts'
import { runAttempt } from '../../src/worker/attempt.ts'
import { createDispatcher, type Dispatcher } from '../../src/worker/dispatcher.ts'
import { createWorker, type Worker } from '../../src/worker/worker.ts'
import { eventually } from '../support/eventually.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { makeEvent, makeFunction, makeHold, makeRun } from '../support/make.ts'

const functionId = 'orders/place'

for (const { name, next } of [
  { name: 'is gone', next: [] },
  { name: 'has another limit', next: [makeFunction({ concurrency: 1 })] },
]) {
  test(`an attempt goes on when its function ${name}, and holds up nobody`, async () => {
    await using it = await startOne()
    await it.worker.serve(next)
    assert.equal(it.worker.busy(), 1)
    it.release()
    await eventually(async () => (await it.run())?.state === 'completed', 'the attempt to end')
  })
}

test('stop waits for attempts of functions that are gone', async () => {
  await using it = await startOne()
  await it.worker.serve([])
  const stopped = it.worker.stop(10_000)
  it.release()
  await stopped
  assert.equal((await it.run())?.state, 'completed')
})

test('G4: a process that was stopped for a while does not take its own runs for lost', async (t) => {
  await using it = await startOne({ silentMs: 300, sweepMs: 5, heartbeatMs: 150 })
  it.dispatcher.start()
  const startedMs = performance.now()
  await eventually(() => performance.now() - startedMs > 350, 'the sweep to believe what it sees')
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 60_000 })
  const beats = it.beats()
  await eventually(() => it.beats() > beats + 1, 'its heart to beat again')
  assert.equal((await it.run())?.lease, 1)
  it.release()
  await eventually(async () => (await it.run())?.state === 'completed', 'the attempt to end')
})

test('G6: a worker that died is found although the database’s clock was set back since', async () => {
  let nowMs = Date.now()
  const ledger = createMemoryStore(() => new Date(nowMs))
  const [job = assert.fail()] = (await ledger.accept(makeEvent({ runs: [makeRun({ functionId })] }))).jobs
  await ledger.heartbeat({ id: 'wrk_1', host: 'h', pid: 1 }, [])
  await ledger.claim(job, 'wrk_1')
  nowMs -= 3_600_000
  assert.equal((await ledger.reclaim(6_000, 10)).length, 1)
})

test('an outcome is written down in spite of errors that nobody foresaw', async () => {
  await using it = await startOne()
  it.failFinish(new Error('database "ledger" is not currently accepting connections'))
  it.release()
  await eventually(async () => (await it.run())?.state === 'completed', 'the attempt to end')
})

test('G4: an outcome that cannot be written down is tried again until it is, and told once', async () => {
  const { logger, lines } = recordingLogger()
  const ledger = createMemoryStore()
  const [job = assert.fail()] = (await ledger.accept(makeEvent({ runs: [makeRun({ functionId })] }))).jobs
  await ledger.heartbeat({ id: 'wrk_1', host: 'h', pid: 1 }, [])
  let tries = 0
  const finish: Store['finish'] = async (outcome) => {
    if (++tries < 4) throw Object.assign(new Error('password authentication failed'), { code: '28P01' })
    return ledger.finish(outcome)
  }
  const run: FunctionRuntime['run'] = async () => ({ ok: true, result: 1 })
  const runtime = { ...createInlineRuntime(new Map(), NO_CALLS, () => undefined), run }
  const store = { ...ledger, finish }
  const alive = setInterval(() => undefined, 1_000)
  await runAttempt(makeFunction(), job, {
    store,
    runtime,
    workerId: 'wrk_1',
    logger,
    hold: makeHold,
    random: () => 0,
  })
  clearInterval(alive)
  assert.equal((await ledger.run(job.runId))?.state, 'completed')
  assert.deepEqual(lines, ['waiting to write an outcome down', 'run completed'])
})

test('an outcome that cannot be stored makes a dead letter', async () => {
  await using it = await startOne()
  it.failFinish(new TappetError('TPT_RESULT_INVALID', 'the outcome cannot be stored: too large'))
  it.release()
  await eventually(async () => (await it.run())?.state === 'dead', 'the attempt to end')
  assert.equal((await it.run())?.failure?.code, 'TPT_RESULT_INVALID')
})

test('a timeout does not run while the attempt waits for a place', async () => {
  const seen: boolean[] = []
  const run: FunctionRuntime['run'] = async (_fn, _invocation, signal, onStart) => {
    await setTimeout(50)
    seen.push(signal.aborted)
    onStart?.()
    await once(signal, 'abort')
    return { ok: false, lost: false, failure: toFailure(signal.reason) }
  }
  const store = createMemoryStore()
  const [job] = (await store.accept(makeEvent({ runs: [makeRun({ functionId, maxAttempts: 1 })] }))).jobs
  assert.ok(job)
  await store.heartbeat({ id: 'wrk_1', host: 'h', pid: 1 }, [])
  const runtime = { ...createInlineRuntime(new Map(), NO_CALLS, () => undefined), run }
  const deps = { store, runtime, workerId: 'wrk_1', logger: silentLogger, hold: makeHold, random: () => 0 }
  await runAttempt(makeFunction({ timeoutMs: 10 }), job, deps)
  assert.deepEqual(seen, [false])
  assert.equal((await store.run(job.runId))?.failure?.code, 'TPT_TIMEOUT')
})

interface Times {
  readonly silentMs?: number
  readonly sweepMs?: number
  readonly heartbeatMs?: number
}

/** A worker with one attempt under way, which ends when it is released. */
async function startOne(times: Times = {}): Promise<AsyncDisposable & Started> {
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => (release = resolve))
  const definition = defineFunction({ on: queue('orders') }, () => released) as unknown as FunctionDefinition
  const runtime = createInlineRuntime(new Map([[functionId, definition]]), NO_CALLS, () => undefined)
  const ledger = createMemoryStore()
  let beats = 0
  const heartbeat: Store['heartbeat'] = (...worker) => {
    beats++
    return ledger.heartbeat(...worker)
  }
  let failure: Error | null = null
  const finish: Store['finish'] = async (outcome) => {
    const fails = failure
    failure = null
    if (fails) throw fails
    return ledger.finish(outcome)
  }
  const [store, jobs] = [{ ...ledger, heartbeat, finish }, createMemoryQueue()]
  const deps = { store, queue: jobs, logger: silentLogger, ...times }
  const dispatcher = createDispatcher(deps)
  const worker = createWorker({ ...deps, runtime, dispatcher })
  await worker.serve([makeFunction()])
  const run = makeRun({ functionId })
  dispatcher.enqueue((await store.accept(makeEvent({ runs: [run] }))).jobs)
  await eventually(() => worker.busy() === 1, 'the attempt to start')
  return {
    ...{ worker, dispatcher, release },
    beats: () => beats,
    failFinish: (error) => {
      failure = error
    },
    run: () => store.run(run.id),
    async [Symbol.asyncDispose]() {
      release()
      await worker.stop(1_000)
      await dispatcher.stop()
      await jobs.close()
    },
  }
}

interface Started {
  readonly worker: Worker
  readonly dispatcher: Dispatcher
  release(): void
  /** How often it has said that it is alive. */
  beats(): number
  /** Once. */
  failFinish(error: Error): void
  run(): Promise<Run | null>
}

const NO_CALLS = { send: refuse, fileInfo: refuse, fileRead: refuse }

function refuse(): never {
  throw new Error('expected no call to the host')
}
