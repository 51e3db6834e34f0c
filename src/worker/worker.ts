import { explain, TappetError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import type { Logger } from '../lib/log.ts'
import { pause } from '../lib/service.ts'
import type { Job, Queue } from '../queue/queue.ts'
import type { FunctionRuntime, LoadedFunction } from '../runtime/runtime.ts'
import type { Claim, Store } from '../store/store.ts'
import type { Tracing } from '../tracing/tracing.ts'
import { type Aftermath, runAttempt, runClaim } from './attempt.ts'
import type { Dispatcher } from './dispatcher.ts'
import { createLeases } from './leases.ts'
import { createServing, type Reserved } from './serving.ts'

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
  /** Default none. */
  readonly tracing?: Tracing
  /** Whether `offer` takes jobs. Default yes. */
  readonly handOver?: boolean
}

/** Takes runs of the functions that it is given, and runs them. */
export interface Worker {
  readonly id: string
  /** Starts, or changes which functions it serves. Attempts under way go on, and are not waited for. */
  serve(functions: readonly LoadedFunction[]): Promise<void>
  /**
   * Takes a job that this process has just made, without the way over the queue, if there is a free place for it: a hint
   * is good wherever it comes from; or if there will be one in some ms. False: it must be queued. Functions with a limit
   * over all processes are queued always.
   */
  offer(job: Job): boolean | Promise<boolean>
  /** Keeps such a place for a run that is about to be made, so that it can be made as started; null if there is none. */
  reserve(functionId: string): Place | null
  /** How many attempts are under way. */
  busy(): number
  /** Takes no more; waits up to `graceMs` for attempts under way, then gives them back unused. Idempotent. */
  stop(graceMs: number): Promise<void>
}

/** A place that a worker keeps for one run. */
export interface Place {
  readonly workerId: string
  /** Runs what the ledger has started on this worker, and frees the place when it is over. */
  start(claim: Claim): void
  /** Frees it without a run. */
  release(): void
}

/** How long functions get to honour their signal when the grace is over, and to be written down. */
const GIVE_BACK_MS = 3_000

export function createWorker(deps: WorkerDeps): Worker {
  const { store, queue, dispatcher, logger, concurrency = 10, heartbeatMs = 2_000 } = deps
  const { random = Math.random, handOver = true } = deps
  const id = newId('wrk')
  const onDisowned = dispatcher.enqueue
  const leases = createLeases({ store, workerId: id, heartbeatMs, logger, onDisowned })
  const attemptDeps = { ...deps, workerId: id, hold: leases.hold, random }
  let stopped: Promise<void> | null = null

  const follow = (next: Aftermath): void => {
    if (next.kind === 'due') dispatcher.expect(next.inMs)
    if (next.kind === 'again') dispatcher.enqueue([next.job])
  }
  const work = async (fn: LoadedFunction, job: Job): Promise<void> =>
    follow(await runAttempt(fn, job, attemptDeps))
  const serving = createServing({ queue, concurrency, work })

  const fill = (place: Reserved, runId: string, attempt: Promise<void>): void => {
    const onError = (error: unknown): void => {
      // Not claimed, because Postgres is away: the run is due again in a second.
      logger.debug({ run: runId, error: explain(error) }, 'could not take a run')
    }
    void attempt.catch(onError).finally(place.give)
  }

  const finish = async (graceMs: number): Promise<void> => {
    const ended = serving.stop()
    await Promise.race([ended, pause(graceMs)])
    leases.abortAll(new TappetError('TPT_SHUTDOWN', 'the worker stops; the run goes on elsewhere'))
    await Promise.race([ended, pause(GIVE_BACK_MS)])
    await leases.stop()
    const left = await store.leave(id).catch(() => [])
    await queue.add(left.map((job) => ({ ...job, first: true }))).catch(() => undefined)
  }

  return {
    id,
    async serve(functions) {
      await leases.start()
      await serving.serve(functions)
    },
    offer(job) {
      const take = (place: Reserved | null): boolean => {
        if (place) fill(place, job.runId, work(place.fn, job))
        return place !== null
      }
      const place = handOver ? serving.reserveSoon(job.functionId) : null
      return place instanceof Promise ? place.then(take) : take(place)
    },
    reserve(functionId) {
      const place = handOver ? serving.reserve(functionId) : null
      if (!place) return null
      const start = (claim: Claim): void =>
        fill(place, claim.runId, runClaim(place.fn, claim, attemptDeps).then(follow))
      return { workerId: id, start, release: place.give }
    },
    busy: leases.count,
    stop: (graceMs) => (stopped ??= finish(graceMs)),
  }
}
