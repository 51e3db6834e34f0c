import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TappetError, toFailure } from '../../errors.ts'
import type { Logger } from '../../lib/log.ts'
import { attempt } from '../attempt.ts'
import { DEFAULT_MAX_RESULT_BYTES } from '../handler/result.ts'
import type { Instance } from '../instance.ts'
import { maskedOutputs } from '../masked.ts'
import { parentGuard } from '../own-programs.ts'
import { createPool, type Pool } from '../pool.ts'
import type { FunctionRuntime, HostCalls, HttpTarget, LoadedFunction, LogLine, Settled } from '../runtime.ts'
import { type Child, startChild } from './child.ts'
import { type ChildHandlers, startNdjsonInstance } from './instance.ts'
import type { CallHeader } from './open-run.ts'
import { startHttpInstance } from '../http/instance.ts'
import { lambdaEnvironment } from '../lambda/environment.ts'
import { startLambdaInstance } from '../lambda/instance.ts'
import { PLAIN_STACKS } from './plain-stacks.ts'
import { openScript } from './script.ts'

export interface NdjsonRuntimeOptions {
  readonly host: HostCalls
  /** All that a function's process sees of the environment, beside where our helpers are. */
  readonly environment: (fn: LoadedFunction) => Readonly<Record<string, string>>
  /** Lines of runs, in the order in which each run wrote them. */
  readonly onLog: (lines: readonly LogLine[]) => void
  /** Gets what functions write outside of any run. */
  readonly logger: Logger
  /** Whether functions that ask for processes that are kept ready get them. Default true. */
  readonly provision?: boolean
  /** Calls of one function at once that need not wait for a place. */
  readonly concurrency?: number
  /** A process without a call ends after this long. Default 60 s. */
  readonly idleMs?: number
  /** Largest result, as JSON. Default 1 MiB. */
  readonly maxResultBytes?: number
  /** Longest that a process may take to say that it is ready. Default 10 s. */
  readonly readyMs?: number
}

const DEFAULT_INSTANCES = 4
const DEFAULT_IDLE_MS = 60_000

/**
 * Runs functions in other languages: programs that are told of events by lines of JSON (`ndjson`), that ask for them by
 * the Runtime API of AWS Lambda (`lambda`), that are servers (`http`), and that are started for each (`script`). What they declare is JSON, so that there are no schemas and keys to ask them for.
 */
export function createNdjsonRuntime(options: NdjsonRuntimeOptions): FunctionRuntime {
  const { provision = true } = options
  const pools = new Map<string, Pool>()
  let guard: readonly string[] = []
  let wanted: ReadonlySet<string> | null = null
  let closing: Promise<void> | null = null
  const guarded = parentGuard().then((found) => void (guard = found))

  const poolOf = (fn: LoadedFunction): Pool => {
    const name = nameOf(fn)
    const known = pools.get(name)
    if (known) return known
    const pool = openPool(options, fn, () => guard)
    pool.drain(wanted !== null && !wanted.has(name))
    pools.set(name, pool)
    return pool
  }

  return {
    async run(fn, invocation, signal, onStart, onMeter) {
      try {
        await guarded
        const how = { alone: invocation.alone, signal }
        const work = (instance: Instance): Promise<Settled> => {
          onStart?.()
          return attempt(instance, invocation, signal, onMeter)
        }
        const settled = closing ? null : await poolOf(fn).use(how, work)
        if (settled) return settled
        return signal.aborted
          ? { ok: false, lost: false, failure: toFailure(signal.reason) }
          : { ok: false, lost: true, failure: toFailure(stopped(fn)) }
      } catch (error) {
        return { ok: false, lost: true, failure: toFailure(error) }
      }
    },
    // None of these is a web handler: their catalog knows none.
    serve: async ({ file }) => ({
      ...{ ok: false, lost: false },
      failure: toFailure(new TappetError('TPT_FUNCTION_INVALID', `${file}: is no web handler`)),
    }),
    admit: async () => ({ ok: true, key: null, orderingKey: null }),
    retain(functions) {
      wanted = new Set(functions.map(nameOf))
      for (const [name, pool] of pools) {
        pool.drain(!wanted.has(name))
        if (!wanted.has(name) && pool.isEmpty()) pools.delete(name)
      }
      const ready = functions.filter((fn) => provision && fn.provisioned > 0)
      if (ready.length > 0) void guarded.then(() => closing || ready.forEach(poolOf))
    },
    close: () =>
      (closing ??= Promise.all([guarded, ...[...pools.values()].map((pool) => pool.close())]).then(
        () => undefined,
      )),
  }
}

function nameOf({ id, version }: LoadedFunction): string {
  return `${id}@${version}`
}

function openPool(options: NdjsonRuntimeOptions, fn: LoadedFunction, guard: () => readonly string[]): Pool {
  const { concurrency = 0, idleMs = DEFAULT_IDLE_MS, provision = true } = options
  const { instanceConcurrency: callsPerInstance, maxInstances, provisioned } = fn
  const usual = Math.max(DEFAULT_INSTANCES, provisioned, Math.ceil(concurrency / callsPerInstance))
  return createPool({
    start: () => openInstance(options, fn, guard()),
    ...{ callsPerInstance, idleMs },
    minInstances: provision ? provisioned : 0,
    maxInstances: maxInstances ?? usual,
  })
}

function openInstance(options: NdjsonRuntimeOptions, fn: LoadedFunction, guard: readonly string[]): Instance {
  const { host, maxResultBytes = DEFAULT_MAX_RESULT_BYTES, readyMs } = options
  const environment = options.environment(fn)
  const own = environmentOf(fn, environment)
  const startWith = (handlers: ChildHandlers, given: Readonly<Record<string, string>>): Child =>
    startChild({
      ...{ command: [...guard, ...(fn.command ?? [])], cwd: dirname(fn.bundle), environment: given },
      ...handlers,
    })
  const shared = {
    ...{ file: fn.file, functionId: fn.id, host, maxResultBytes },
    ...maskedOutputs(fn, environment, { ...options, stacks: PLAIN_STACKS }),
    ...(readyMs !== undefined && { readyMs }),
  }
  const kinds = fn.triggers.map(({ kind }) => kind)
  switch (fn.runtime) {
    case 'script':
      return openScript({
        ...shared,
        start: (handlers, header) => startWith(handlers, { ...own, ...runVariables(header) }),
      })
    case 'lambda':
      return startLambdaInstance({
        ...shared,
        ...{ timeoutMs: fn.timeoutMs, kinds },
        start: (handlers, address) => startWith(handlers, lambdaEnvironment(fn, address, own)),
      })
    case 'http':
      return startHttpInstance({
        ...shared,
        ...{ target: fn.http ?? DEFAULT_TARGET, kinds },
        start: (handlers, port) => startWith(handlers, { HOST: '127.0.0.1', ...own, PORT: String(port) }),
      })
    default:
      return startNdjsonInstance({ ...shared, start: (handlers) => startWith(handlers, own) })
  }
}

const DEFAULT_TARGET: HttpTarget = { url: null, path: '/', ready: null, content: 'binary' }

const HELPERS = fileURLToPath(new URL('../../../runtimes', import.meta.url))

function environmentOf(
  { id }: LoadedFunction,
  environment: Readonly<Record<string, string>>,
): Record<string, string> {
  const { PYTHONPATH: own } = environment
  return {
    // Its caches would look like changes of the function.
    PYTHONDONTWRITEBYTECODE: '1',
    ...environment,
    PYTHONPATH: `${HELPERS}/python${own ? `:${own}` : ''}`,
    TAPPET_SHELL: `${HELPERS}/shell/tappet.sh`,
    TAPPET_FUNCTION_ID: id,
  }
}

function runVariables({ runId, attempt: number, maxAttempts, trace }: CallHeader): Record<string, string> {
  return {
    TAPPET_RUN_ID: runId,
    TAPPET_ATTEMPT: String(number),
    TAPPET_MAX_ATTEMPTS: String(maxAttempts),
    ...(trace.traceparent !== undefined && { TRACEPARENT: trace.traceparent }),
  }
}

function stopped({ file }: LoadedFunction): TappetError {
  return new TappetError('TPT_SHUTDOWN', `${file}: the runtime is stopping`)
}
