import { type Failure, TappetError, toFailure } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import { pause } from '../lib/service.ts'
import type { FunctionRuntime, LoadedFunction, Meter, Settled, WebCall } from '../runtime/runtime.ts'
import type { Metered, Outcome, Store } from '../store/store.ts'
import { NO_TRACING, type Tracing } from '../tracing/tracing.ts'
import type { Serve, Served } from '../triggers/http/web.ts'
import { createPauses } from './pauses.ts'
import { createRecords, type Records } from './web-records.ts'

export interface WebRequestsDeps {
  readonly store: Store
  readonly runtime: FunctionRuntime
  readonly findFunction: (functionId: string) => LoadedFunction | undefined
  readonly logger: Logger
  /** Whose runs they are. */
  readonly workerId: string
  /** Makes sure that the ledger knows that worker. */
  readonly beAlive: () => Promise<void>
  /** Default none. */
  readonly tracing?: Tracing
  /** Longest that a request waits for a place in a process of its function. Default 10 s. */
  readonly placeMs?: number
}

/**
 * Requests that functions answer while their callers wait. A request is run at once, here, without the queue; when it is over,
 * event and run are written down as those of any other function, so that people find them in the same places.
 */
export interface WebRequests {
  /** Rejects with TPT_SHUTDOWN, TPT_PAUSED, TPT_OVERLOADED, or TPT_FUNCTION_NOT_FOUND: nothing has run then. */
  readonly serve: Serve
  /** Takes no more; after `graceMs` ends those under way. Resolves when all is written down that can be. Idempotent. */
  stop(graceMs: number): Promise<void>
}

const PLACE_MS = 10_000

export function createWebRequests(deps: WebRequestsDeps): WebRequests {
  const { store, findFunction } = deps
  const underWay = new Set<Promise<void>>()
  const stopping = new AbortController()
  const pauses = createPauses(store)
  const records = createRecords(deps)
  let closed = false

  const take = async (served: Served): Promise<void> => {
    if (closed) throw new TappetError('TPT_SHUTDOWN', 'This process is stopping.')
    const { functionId } = served.subscription
    const fn = findFunction(functionId)
    if (!fn) throw new TappetError('TPT_FUNCTION_NOT_FOUND', `there is no function ${functionId}`)
    if (records.isFull())
      throw new TappetError('TPT_OVERLOADED', 'What is over cannot be written down at the moment.')
    if (await pauses.has(functionId))
      throw new TappetError('TPT_PAUSED', `The function ${functionId} is paused.`)
    await answer(fn, served, { ...deps, records, stopping: stopping.signal })
  }

  return {
    async serve(served) {
      const taking = take(served)
      underWay.add(taking)
      return taking.finally(() => underWay.delete(taking))
    },
    async stop(graceMs) {
      closed = true
      const over = new AbortController()
      const all = Promise.allSettled(underWay).then(() => over.abort())
      await pause(graceMs, over.signal)
      stopping.abort(new TappetError('TPT_SHUTDOWN', 'This process is stopping.'))
      await all
      await records.stop()
    },
  }
}

interface AnswerDeps extends WebRequestsDeps {
  readonly records: Records
  readonly stopping: AbortSignal
}

async function answer(fn: LoadedFunction, served: Served, deps: AnswerDeps): Promise<void> {
  const { settled, durationMs, meter } = await run(fn, served, deps)
  if (!settled.ok) served.response.fail(settled.failure)
  // Without a place, nothing of the function has run.
  if (durationMs === null) return
  deps.records.add({ fn, served, outcome: outcomeOf(settled), durationMs, meter })
}

interface Ran {
  readonly settled: Settled
  /** Since it had a place, in ms; null when it never had one. */
  readonly durationMs: number | null
  readonly meter: Metered | null
}

async function run(
  fn: LoadedFunction,
  { runId, event, request, response }: Served,
  { runtime, tracing = NO_TRACING, placeMs = PLACE_MS, stopping }: AnswerDeps,
): Promise<Ran> {
  const deadline = openDeadline(fn, { gone: request.gone, placeMs, stopping })
  let meter: Metered | null = null
  const onMeter = (taken: Meter): void => {
    meter = { ...taken, memoryMb: fn.memoryMb }
  }
  let settled: Settled
  try {
    settled = await tracing.run({ functionId: fn.id, runId, attempt: 1, event }, (trace) => {
      const call: WebCall = { runId, trace, request, response }
      return runtime.serve(fn, call, deadline.signal, deadline.onStart, onMeter)
    })
  } catch (error) {
    // The port says that it never rejects: a bug of ours.
    settled = { ok: false, lost: true, failure: toFailure(error) }
  }
  return { settled, meter, durationMs: deadline.close() }
}

interface Deadline {
  readonly signal: AbortSignal
  /** There is a place: from now on the function's own time counts. */
  onStart(): void
  /** How long it is since then, in ms; null when there never was one. */
  close(): number | null
}

/** As for other functions, the wait for a place does not count; but it has an end, because somebody waits with it. */
function openDeadline(
  fn: LoadedFunction,
  { gone, placeMs, stopping }: { gone: AbortSignal; placeMs: number; stopping: AbortSignal },
): Deadline {
  const controller = new AbortController()
  let startedMs: number | null = null
  let timer = setTimeout(() => controller.abort(noPlace(fn, placeMs)), placeMs)
  const leave = (): void => controller.abort(new TappetError('TPT_REQUEST_INVALID', 'the caller has gone'))
  const stop = (): void => controller.abort(stopping.reason)
  gone.addEventListener('abort', leave, { once: true })
  stopping.addEventListener('abort', stop, { once: true })
  if (stopping.aborted) stop()
  if (gone.aborted) leave()
  return {
    signal: controller.signal,
    onStart() {
      startedMs = performance.now()
      clearTimeout(timer)
      gone.removeEventListener('abort', leave)
      timer = setTimeout(() => controller.abort(tooLate(fn)), fn.timeoutMs)
    },
    close() {
      clearTimeout(timer)
      gone.removeEventListener('abort', leave)
      stopping.removeEventListener('abort', stop)
      return startedMs === null ? null : performance.now() - startedMs
    },
  }
}

/** Whatever went wrong: nobody asks again but the caller. */
function outcomeOf(settled: Settled): Outcome {
  return settled.ok
    ? { kind: 'completed', result: settled.result }
    : { kind: 'dead', failure: finalOf(settled.failure) }
}

function finalOf(failure: Failure): Failure {
  return { ...failure, retryable: false, retryAfterMs: null }
}

function noPlace({ id, instanceConcurrency, maxInstances }: LoadedFunction, waitMs: number): TappetError {
  const places = maxInstances === null ? '' : `, ${maxInstances * instanceConcurrency} of them`
  return new TappetError('TPT_OVERLOADED', `All places of ${id} were taken for ${waitMs} ms${places}.`)
}

function tooLate({ id, timeoutMs }: LoadedFunction): TappetError {
  return new TappetError('TPT_TIMEOUT', `${id}: no end within its timeout of ${timeoutMs} ms`)
}
