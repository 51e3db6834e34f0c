import { TappetError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import type { Logger } from '../lib/log.ts'
import { pause } from '../lib/service.ts'
import type { Consumer, Job, Queue } from '../queue/queue.ts'
import type { FunctionRuntime, LoadedFunction } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'
import { runAttempt } from './attempt.ts'
import type { Dispatcher } from './dispatcher.ts'
import { createLeases } from './leases.ts'

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
  /** Starts, or changes which functions it serves. Attempts under way go on, and are not waited for. */
  serve(functions: readonly LoadedFunction[]): Promise<void>
  /** How many attempts are under way. */
  busy(): number
  /** Takes no more; waits up to `graceMs` for attempts under way, then gives them back unused. Idempotent. */
  stop(graceMs: number): Promise<void>
}

interface Served {
  fn: LoadedFunction
  readonly consumer: Consumer
}

/** How long functions get to honour their signal when the grace is over, and to be written down. */
const GIVE_BACK_MS = 3_000

export function createWorker(deps: WorkerDeps): Worker {
  const { store, queue, dispatcher, concurrency = 10, heartbeatMs = 2_000, random = Math.random } = deps
  const id = newId('wrk')
  const onDisowned = dispatcher.enqueue
  const leases = createLeases({ store, workerId: id, heartbeatMs, logger: deps.logger, onDisowned })
  const attemptDeps = { ...deps, workerId: id, hold: leases.hold, random }
  const served = new Map<string, Served>()
  /** Consumers of functions that are gone or have changed, until the attempts under way in them are over. */
  const leaving = new Set<Promise<void>>()
  let stopped: Promise<void> | null = null

  const work = async (functionId: string, job: Job): Promise<void> => {
    const fn = served.get(functionId)?.fn
    if (!fn) return
    const next = await runAttempt(fn, job, attemptDeps)
    if (next.kind === 'due') dispatcher.expect(next.inMs)
    if (next.kind === 'again') dispatcher.enqueue([next.job])
  }

  const startServing = async (fn: LoadedFunction): Promise<void> => {
    const known = served.get(fn.id)
    if (known && known.fn.concurrency === fn.concurrency) {
      known.fn = fn
      return
    }
    const local = Math.min(concurrency, fn.concurrency ?? concurrency)
    const options = { functionId: fn.id, concurrency: local, limit: fn.concurrency }
    const consumer = await queue.consume(options, (job) => work(fn.id, job))
    served.set(fn.id, { fn, consumer })
    if (known) letGo(known.consumer)
  }

  const stopServing = (functionId: string): void => {
    const known = served.get(functionId)
    served.delete(functionId)
    if (known) letGo(known.consumer)
  }

  const letGo = (consumer: Consumer): void => {
    const gone = consumer
      .stop()
      .catch(() => undefined)
      .finally(() => leaving.delete(gone))
    leaving.add(gone)
  }

  const finish = async (graceMs: number): Promise<void> => {
    const stopping = [...served.values()].map(({ consumer }) => consumer.stop())
    const consumers = Promise.allSettled([...stopping, ...leaving])
    await Promise.race([consumers, pause(graceMs)])
    leases.abortAll(new TappetError('TPT_SHUTDOWN', 'the worker stops; the run goes on elsewhere'))
    await Promise.race([consumers, pause(GIVE_BACK_MS)])
    await leases.stop()
    const left = await store.leave(id).catch(() => [])
    await queue.add(left).catch(() => undefined)
  }

  return {
    id,
    async serve(functions) {
      await leases.start()
      const wanted = new Set(functions.map((fn) => fn.id))
      const gone = [...served.keys()].filter((functionId) => !wanted.has(functionId))
      gone.forEach(stopServing)
      await Promise.all(functions.map(startServing))
    },
    busy: leases.count,
    stop: (graceMs) => (stopped ??= finish(graceMs)),
  }
}
