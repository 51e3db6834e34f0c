import { TappetError } from './errors.ts'
import { type Envelope, MAX_ATTRIBUTE } from './events/envelope.ts'
import { newId } from './lib/id.ts'
import { createTurns } from './lib/turns.ts'
import type { Issue } from './lib/schema.ts'
import type { Logger } from './lib/log.ts'
import type { FunctionRuntime, LoadedFunction } from './runtime/runtime.ts'
import type { Acceptance, NewEvent, NewRun, Store } from './store/store.ts'
import type { Accepted, Emit, EmitOptions, Subscription } from './triggers/trigger.ts'
import { NO_TRACING, type Tracing } from './tracing/tracing.ts'
import type { Dispatcher } from './worker/dispatcher.ts'
import type { Place } from './worker/worker.ts'

export interface BrokerDeps {
  readonly store: Store
  readonly runtime: FunctionRuntime
  readonly dispatcher: Dispatcher
  readonly logger: Logger
  readonly findFunction: (functionId: string) => LoadedFunction | undefined
  /** Default none. */
  readonly tracing?: Tracing
}

/** The way in. */
export interface Broker {
  /**
   * Checks an event against the functions that want it, saves it with one run for each, and only then lets the
   * adapter acknowledge. A broker that dies before the runs are queued leaves them in the ledger for the sweep.
   */
  readonly emit: Emit
  /** Refuses new events with TPT_SHUTDOWN, and resolves when those under way have settled. */
  stop(): Promise<void>
}

export function createBroker(deps: BrokerDeps): Broker {
  const { dispatcher, tracing = NO_TRACING } = deps
  const underWay = new Set<Promise<unknown>>()
  const turns = createTurns()
  let stopping = false

  const take = async (
    event: Envelope,
    subscriptions: readonly Subscription[],
    options: EmitOptions = {},
  ): Promise<Accepted> => {
    const { delayMs = 0, invalid = 'refuse', aliases = [], cause } = options
    checkAttributes(event)
    const admitting = Promise.all(
      subscriptions.map((subscription) => admit(event, subscription, options, deps)),
    )
    const from = cause === undefined ? {} : { cause }
    const accept = (runs: readonly NewRun[]): Promise<Acceptance> =>
      acceptInPlace({ id: newId('evt'), envelope: event, aliases, runs, delayMs, ...from }, deps)
    // What cannot be refused comes from a log, and is stored in the order of that log, however long a check takes.
    const acceptance =
      invalid === 'keep'
        ? await turns.take(thingsOf(event, subscriptions, deps), admitting, accept)
        : await accept(await admitting)
    dispatcher.enqueue(acceptance.jobs)
    if (delayMs > 0) dispatcher.expect(delayMs)
    const { eventId, runIds, duplicate } = acceptance
    return { eventId, runIds, duplicate }
  }

  return {
    async emit(event, subscriptions, options) {
      if (stopping) throw new TappetError('TPT_SHUTDOWN', 'this process takes no more events')
      const accepted = tracing.emit(event, (traced) => take(traced, subscriptions, options))
      underWay.add(accepted)
      return accepted.finally(() => underWay.delete(accepted))
    },
    async stop() {
      stopping = true
      await Promise.allSettled(underWay)
    },
  }
}

/**
 * Runs that a worker of this process has places for are started by the commit that makes them, and need neither the
 * queue nor a claim. What only a claim can decide is left to it: delays and order.
 */
async function acceptInPlace(event: NewEvent, { store, dispatcher }: BrokerDeps): Promise<Acceptance> {
  const mayStart = event.delayMs === 0 && event.runs.every(({ orderingKey }) => orderingKey === null)
  const places = new Map<string, Place>()
  const runs = event.runs.map((run) => {
    const place = mayStart ? dispatcher.reserve(run.functionId) : null
    if (!place) return run
    places.set(run.id, place)
    return { ...run, worker: place.workerId }
  })
  try {
    const acceptance = await store.accept({ ...event, runs })
    for (const claim of acceptance.claims) {
      places.get(claim.runId)?.start(claim)
      places.delete(claim.runId)
    }
    return acceptance
  } finally {
    for (const place of places.values()) place.release()
  }
}

/** What an event must not overtake others at: what happened to one thing, and what functions want in order. */
function thingsOf(
  { source, subject, id }: Envelope,
  subscriptions: readonly Subscription[],
  { findFunction }: BrokerDeps,
): string[] {
  const ordered = subscriptions.filter(({ functionId }) => findFunction(functionId)?.hasOrderingKey === true)
  return [`${source} ${subject ?? id}`, ...new Set(ordered.map(({ functionId }) => `order of ${functionId}`))]
}

function checkAttributes(event: Envelope): void {
  const issues = (['id', 'source', 'type', 'subject'] as const).flatMap((name): Issue[] => {
    const value = event[name]
    if (name === 'subject' && value === undefined) return []
    if (
      typeof value === 'string' &&
      value.length > 0 &&
      value.length <= MAX_ATTRIBUTE &&
      !value.includes('\u0000')
    )
      return []
    return [{ path: `/${name}`, message: `must be 1 to ${MAX_ATTRIBUTE} characters without NUL` }]
  })
  if (issues.length > 0) throw invalidEvent(issues)
}

/** Asks the function's own process whether it takes the event: its schemas and its key are user code. */
async function admit(
  event: Envelope,
  { functionId, index, trigger }: Subscription,
  { invalid = 'refuse', maxAttempts = Infinity }: EmitOptions,
  { findFunction, runtime, logger }: BrokerDeps,
): Promise<NewRun> {
  const fn = findFunction(functionId)
  if (!fn) throw new TappetError('TPT_FUNCTION_NOT_FOUND', `there is no function ${functionId}`)
  const run = {
    id: newId('run'),
    functionId,
    trigger: index,
    idempotencyKey: null,
    orderingKey: null,
    maxAttempts: Math.min(fn.retry.attempts, maxAttempts),
  }
  const mustCheck = invalid === 'refuse' && trigger.schemas.length > 0
  if (!mustCheck && !fn.hasIdempotencyKey && !fn.hasOrderingKey) return run

  const admission = await runtime.admit(fn, event, index).catch((error: unknown) => {
    if (invalid === 'refuse' || (fn.hasOrderingKey && !isOfTheCode(error))) throw error
    return { ok: false as const, issues: [{ path: '', message: String(error) }] }
  })
  if (admission.ok) return { ...run, idempotencyKey: admission.key, orderingKey: admission.orderingKey }
  if (invalid === 'refuse') throw invalidEvent(admission.issues)
  logger.warn(
    { function: functionId, event: event.id, issues: admission.issues },
    'stored an event that does not fit',
  )
  return run
}

const CODE_IS_BROKEN: readonly string[] = [
  ...['TPT_FUNCTION_CRASHED', 'TPT_FUNCTION_LOAD', 'TPT_OUT_OF_MEMORY', 'TPT_TOO_MANY_PROCESSES'],
]

/**
 * Without its key a run would be out of order, so an event that could not be checked is left to its source, which
 * delivers it again. Not if the function's code is broken, which would hold up other events: then the run fails by itself.
 */
function isOfTheCode(error: unknown): boolean {
  return error instanceof TappetError && CODE_IS_BROKEN.includes(error.code)
}

function invalidEvent(issues: readonly Issue[]): TappetError {
  const what = issues.map(({ path, message }) => `${path || '/'}: ${message}`).join('; ')
  return new TappetError('TPT_EVENT_INVALID', what, { issues })
}
