import { hostname } from 'node:os'
import { TappetError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import type { Logger } from '../lib/log.ts'
import { type Loop, pause, startLoop } from '../lib/service.ts'
import type { Consumer, Job, Queue } from '../queue/queue.ts'
import type { FunctionRuntime, LoadedFunction } from '../runtime/runtime.ts'
import type { Claim, Lease, Store } from '../store/store.ts'
import { type AttemptDeps, runAttempt } from './attempt.ts'
import type { Dispatcher } from './dispatcher.ts'

export interface WorkerDeps {
  readonly store: Store
  readonly queue: Queue
  readonly runtime: FunctionRuntime
  readonly dispatcher: Dispatcher
  readonly logger: Logger
  /** Most attempts of one function at once in this process. Default 10. */
  readonly concurrency?: number
  /** Default 2 s. */
  readonly heartbeatMs?: number
  readonly random?: () => number
}

/** Takes runs of the functions that it is given, and runs them. */
export interface Worker {
  readonly id: string
  /** Starts, or changes which functions it serves. Attempts under way go on. */
  serve(functions: readonly LoadedFunction[]): Promise<void>
  /** How many attempts are under way. */
  busy(): number
  /** Takes no more; waits up to `graceMs` for attempts under way, then gives them back unused. Idempotent. */
  stop(graceMs: number): Promise<void>
}

interface Held {
  readonly lease: number
  readonly controller: AbortController
}

interface Served {
  fn: LoadedFunction
  readonly consumer: Consumer
}

export function createWorker(deps: WorkerDeps): Worker {
  const { store, queue, runtime, dispatcher, logger, concurrency = 10, heartbeatMs = 2_000 } = deps
  const id = newId('wrk')
  const info = { id, host: hostname(), pid: process.pid }
  const held = new Map<string, Held>()
  const served = new Map<string, Served>()
  let heart: Loop | null = null
  let stopped: Promise<void> | null = null

  const hold = ({ runId, lease }: Claim): ReturnType<AttemptDeps['hold']> => {
    const controller = new AbortController()
    held.set(runId, { lease, controller })
    return {
      signal: controller.signal,
      release: () => held.get(runId)?.lease === lease && held.delete(runId),
    }
  }
  const attemptDeps: AttemptDeps = {
    store,
    runtime,
    workerId: id,
    logger,
    hold,
    random: deps.random ?? Math.random,
  }

  const work = async (functionId: string, job: Job): Promise<void> => {
    const fn = served.get(functionId)?.fn
    if (!fn) return
    const next = await runAttempt(fn, job, attemptDeps)
    if (next.kind === 'due') dispatcher.expect(next.inMs)
    if (next.kind === 'again') dispatcher.enqueue([next.job])
  }

  const beat = async (): Promise<void> => {
    const leases = [...held].map(([runId, { lease }]): Lease => ({ runId, lease }))
    for (const { runId, lease } of await store.heartbeat(info, leases)) letGo(runId, lease)
    const unknown = await store.disown(
      id,
      [...held].map(([runId, { lease }]) => ({ runId, lease })),
    )
    dispatcher.enqueue(unknown)
  }

  const letGo = (runId: string, lease: number): void => {
    const mine = held.get(runId)
    if (mine?.lease !== lease) return
    mine.controller.abort(
      new TappetError('TPT_LEASE_LOST', `run ${runId} was cancelled, or another worker has it`),
    )
  }

  const startServing = async (fn: LoadedFunction): Promise<void> => {
    const known = served.get(fn.id)
    if (known && known.fn.concurrency === fn.concurrency) {
      known.fn = fn
      return
    }
    await known?.consumer.stop()
    const options = {
      functionId: fn.id,
      concurrency: Math.min(concurrency, fn.concurrency ?? concurrency),
      limit: fn.concurrency,
    }
    const consumer = await queue.consume(options, (job) => work(fn.id, job))
    served.set(fn.id, { fn, consumer })
  }

  const stopServing = async (functionId: string): Promise<void> => {
    await served.get(functionId)?.consumer.stop()
    served.delete(functionId)
  }

  const finish = async (graceMs: number): Promise<void> => {
    const consumers = Promise.all([...served.values()].map(({ consumer }) => consumer.stop()))
    await Promise.race([consumers, pause(graceMs)])
    const shutdown = new TappetError('TPT_SHUTDOWN', 'the worker stops; the run goes on elsewhere')
    for (const { controller } of held.values()) controller.abort(shutdown)
    await Promise.race([consumers, pause(3_000)])
    await heart?.stop()
    const left = await store.leave(id).catch(() => [])
    if (left.length > 0) await queue.add(left).catch(() => undefined)
  }

  return {
    id,
    async serve(functions) {
      if (!heart) {
        await store.heartbeat(info, [])
        const onError = (error: unknown): void => logger.debug({ error: String(error) }, 'no heartbeat')
        heart = startLoop(beat, { everyMs: heartbeatMs, onError })
      }
      const wanted = new Set(functions.map((fn) => fn.id))
      const gone = [...served.keys()].filter((functionId) => !wanted.has(functionId))
      await Promise.all([...gone.map(stopServing), ...functions.map(startServing)])
    },
    busy: () => held.size,
    stop: (graceMs) => (stopped ??= finish(graceMs)),
  }
}
