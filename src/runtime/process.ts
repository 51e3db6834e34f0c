import { CODES, type ErrorCode, type Failure, TappetError, toFailure } from '../errors.ts'
import type { Envelope } from '../events/envelope.ts'
import type { Logger } from '../lib/log.ts'
import { ABORT_GRACE_MS, aborted, attempt } from './attempt.ts'
import { type Booter, createBooter } from './boot.ts'
import type { Ending } from './ending.ts'
import { decodeJson, encodeJson, FRAME, MAX_FRAME_BYTES } from './frames.ts'
import { DEFAULT_MAX_RESULT_BYTES } from './handler/result.ts'
import { replyTo } from './host-replies.ts'
import { type Instance, startInstance, type WebInstance } from './instance.ts'
import { maskedOutputs } from './masked.ts'
import { createPool, type Pool } from './pool.ts'
import type { Admission, FunctionRuntime, HostCalls, LoadedFunction, LogLine, Settled } from './runtime.ts'
import { stacksOf } from './stacks/stacks.ts'
import { serveIn } from './web/serve.ts'

export interface ProcessRuntimeOptions {
  /** The project's folder: where functions find themselves. */
  readonly root: string
  readonly host: HostCalls
  /** All that a function's process sees of the environment. */
  readonly environment: (fn: LoadedFunction) => Readonly<Record<string, string>>
  /** What all functions see of it: with this, processes can be started before it is known what for. Default: nothing. */
  readonly baseEnvironment?: Readonly<Record<string, string>>
  /** URL for `ctx.db`; empty for none. */
  readonly databaseUrl: (fn: LoadedFunction) => string
  /** Lines of runs, in the order in which each run wrote them. */
  readonly onLog: (lines: readonly LogLine[]) => void
  /** Gets what functions write outside of any run. */
  readonly logger: Logger
  /** Processes that wait for a function to run, so that it starts in 2 ms instead of 25. Default 0. */
  readonly spares?: number
  /** The control group in which each process gets one of its own. Default: none. */
  readonly cgroup?: string | null
  /** Whether no process is started outside of a sandbox. Default false. */
  readonly sandboxesOnly?: boolean
  /** Whether a function that asks for processes that are kept ready gets them. Default: each does. */
  readonly provision?: (fn: LoadedFunction) => boolean
  /** Calls of one function at once that need not wait for a place. */
  readonly concurrency?: number
  /** A process without a call ends after this long. Default 60 s. */
  readonly idleMs?: number
  /** Largest result of a handler, as JSON. Default 1 MiB, at most 15 MiB. */
  readonly maxResultBytes?: number
  /** Longest that a process may take until its function can be called. Default 10 s. */
  readonly loadMs?: number
}

/** Longest that a check of an event may take, the start of the process included. */
const ADMIT_MS = 5_000

/** With room for the rest of its frame. */
const MAX_RESULT_BYTES = MAX_FRAME_BYTES - 65_536

/** Processes of a function that names no limit; more when `concurrency` takes them. */
const DEFAULT_INSTANCES = 4
const DEFAULT_IDLE_MS = 60_000

/**
 * Runs functions in child processes, one function version to a process, several calls at once in each. What one does
 * to its process (a loop, a leak, an exit) hurts the calls beside it at most, and those are told that it was not them.
 */
export function createProcessRuntime(options: ProcessRuntimeOptions): FunctionRuntime {
  const {
    spares = 0,
    provision = always,
    baseEnvironment = {},
    sandboxesOnly = false,
    cgroup = null,
  } = options
  const booter = createBooter({ ...options, spares, baseEnvironment, sandboxesOnly, cgroup })
  const pools = new Map<string, Pool<WebInstance>>()
  let wanted: ReadonlySet<string> | null = null
  let closing: Promise<void> | null = null

  const poolOf = (fn: LoadedFunction): Pool<WebInstance> => {
    const name = nameOf(fn)
    const known = pools.get(name)
    if (known) return known
    const pool = openPool(options, booter, fn)
    pool.drain(wanted !== null && !wanted.has(name))
    pools.set(name, pool)
    return pool
  }

  /** Null when the signal aborts before there is a place, or we are closing. */
  const use = async <T>(
    fn: LoadedFunction,
    how: Wish,
    work: (instance: WebInstance) => Promise<T>,
  ): Promise<T | null> => (closing ? null : poolOf(fn).use(how, work))

  const check = (fn: LoadedFunction, event: Envelope, index: number, how: Wish): Promise<Ending | null> =>
    use(fn, how, (instance) => checkEvent(instance, event, index, how.signal))

  return {
    run: (fn, invocation, signal, onStart, onMeter) =>
      settledBy(fn, signal, () =>
        use(fn, { alone: invocation.alone, signal }, (instance) => {
          void instance.loaded.then(onStart)
          return attempt(instance, invocation, signal, onMeter)
        }),
      ),
    serve: (fn, call, signal, onStart, onMeter) =>
      settledBy(fn, signal, () =>
        use(fn, { alone: false, signal }, (instance) => {
          onStart?.()
          return serveIn(instance, call, signal, onMeter)
        }),
      ),
    async admit(fn, event, index) {
      if (!fn.hasIdempotencyKey && !fn.hasOrderingKey && fn.triggers[index]?.schemas.length === 0)
        return { ok: true, key: null, orderingKey: null }
      const signal = AbortSignal.timeout(ADMIT_MS)
      let ending = await check(fn, event, index, { alone: false, signal })
      if (ending?.kind === 'lost' || ending?.kind === 'blocked')
        ending = await check(fn, event, index, { alone: true, signal })
      if (ending === null) throw signal.aborted ? late(fn) : stopped(fn)
      return readAdmission(fn, ending)
    },
    retain(functions) {
      wanted = new Set(functions.map(nameOf))
      if (!closing) booter.expect(functions)
      for (const [name, pool] of pools) {
        pool.drain(!wanted.has(name))
        if (!wanted.has(name) && pool.isEmpty()) pools.delete(name)
      }
      if (!closing) for (const fn of functions) if (provision(fn) && fn.provisioned > 0) poolOf(fn)
    },
    close: () =>
      (closing ??= Promise.all([booter.close(), ...[...pools.values()].map((pool) => pool.close())]).then(
        () => undefined,
      )),
  }
}

/** How work came out that may not have found a place, or may fail before it has one. */
async function settledBy(
  fn: LoadedFunction,
  signal: AbortSignal,
  work: () => Promise<Settled | null>,
): Promise<Settled> {
  try {
    const settled = await work()
    if (settled) return settled
    return signal.aborted ? aborted(signal) : { ok: false, lost: true, failure: toFailure(stopped(fn)) }
  } catch (error) {
    return { ok: false, lost: true, failure: toFailure(error) }
  }
}

const always = (): boolean => true

type Wish = Parameters<Pool['use']>[0]

function nameOf({ id, version }: LoadedFunction): string {
  return `${id}@${version}`
}

function openPool(options: ProcessRuntimeOptions, booter: Booter, fn: LoadedFunction): Pool<WebInstance> {
  const { concurrency = 0, idleMs = DEFAULT_IDLE_MS, provision = always } = options
  const { instanceConcurrency: callsPerInstance, maxInstances, provisioned } = fn
  const usual = Math.max(DEFAULT_INSTANCES, provisioned, Math.ceil(concurrency / callsPerInstance))
  return createPool({
    start: () => openInstance(options, booter, fn),
    ...{ callsPerInstance, idleMs },
    minInstances: provision(fn) ? provisioned : 0,
    maxInstances: maxInstances ?? usual,
  })
}

function openInstance(options: ProcessRuntimeOptions, booter: Booter, fn: LoadedFunction): WebInstance {
  const { maxResultBytes = DEFAULT_MAX_RESULT_BYTES } = options
  const stacks = stacksOf(options.root, fn.bundle)
  const environment = options.environment(fn)
  return startInstance({
    fn,
    start: (handlers) => booter.start(fn, handlers),
    environment,
    databaseUrl: options.databaseUrl(fn),
    maxResultBytes: Math.min(maxResultBytes, MAX_RESULT_BYTES),
    ...(options.loadMs !== undefined && { loadMs: options.loadMs }),
    stacks,
    ...maskedOutputs(fn, environment, { ...options, stacks }),
    onCall: (frame) => replyTo(frame, options.host, fn.id),
  })
}

/** Null when there was no answer before the deadline. */
async function checkEvent(
  instance: Instance,
  event: Envelope,
  trigger: number,
  deadline: AbortSignal,
): Promise<Ending | null> {
  const call = instance.call(FRAME.admit, { trigger }, encodeJson(event))
  let onAbort = (): void => undefined
  const tooLate = new Promise<null>((resolve) => (onAbort = () => resolve(null)))
  deadline.addEventListener('abort', onAbort, { once: true })
  const ending = await Promise.race([call.ended, tooLate])
  deadline.removeEventListener('abort', onAbort)
  if (ending === null) instance.check(ABORT_GRACE_MS)
  return ending
}

/** @throws TappetError when the function's code gave no answer. */
function readAdmission(fn: LoadedFunction, ending: Ending): Admission {
  if (ending.kind === 'answered' && ending.ok) return decodeJson(ending.payload) as Admission
  const failure = ending.kind === 'answered' ? (decodeJson(ending.payload) as Failure) : ending.failure
  const code =
    failure.code !== null && failure.code in CODES ? (failure.code as ErrorCode) : 'TPT_FUNCTION_CRASHED'
  throw new TappetError(
    code,
    failure.message.startsWith(fn.file) ? failure.message : `${fn.file}: ${failure.message}`,
  )
}

function late({ file }: LoadedFunction): TappetError {
  return new TappetError(
    'TPT_TIMEOUT',
    `${file}: the check of an event must end within ${ADMIT_MS} ms, it did not`,
  )
}

function stopped({ file }: LoadedFunction): TappetError {
  return new TappetError('TPT_SHUTDOWN', `${file}: the runtime is stopping`)
}
