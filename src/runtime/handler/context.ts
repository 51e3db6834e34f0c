import type { Pool } from 'pg'
import type { Context, FunctionLog, SendOptions } from '../../define/context.ts'
import type { Trace } from '../../events/trace.ts'
import { TappetError } from '../../errors.ts'
import { toMs } from '../../lib/duration.ts'
import type { HostCalls, HostMessage, LogLevel } from '../runtime.ts'
import { once } from './once.ts'
import { storedFile } from './stored-file.ts'

export interface ContextParts {
  readonly functionId: string
  readonly runId: string
  readonly attempt: number
  readonly maxAttempts: number
  readonly trace: Trace
  readonly signal: AbortSignal
  readonly env: unknown
  readonly host: HostCalls
  readonly write: (level: LogLevel, message: string, fields: object | null) => void
  /** Asked at the first use of `ctx.db`. */
  readonly db: () => Pool
}

/** The second argument of a handler. */
export function createContext(parts: ContextParts): Context {
  const { functionId, runId, attempt, maxAttempts, trace, signal, env, host } = parts
  return {
    functionId,
    runId,
    attempt,
    maxAttempts,
    traceparent: trace.traceparent ?? null,
    signal,
    env,
    log: createLog(parts.write),
    get db() {
      return parts.db()
    },
    files: {
      open: async (key) => storedFile(await host.fileInfo(key), (...range) => host.fileRead(...range)),
    },
    once: (transaction, name) => once(transaction, runId, name),
    send: async (queue, data, options = {}) =>
      host.send({ ...toMessage(queue.queue, data, options), trace }, { functionId, runId }),
  }
}

function createLog(write: ContextParts['write']): FunctionLog {
  const at =
    (level: LogLevel) =>
    (first: object | string, message?: string): void =>
      typeof first === 'string' ? write(level, first, null) : write(level, message ?? '', first)
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** A frame to the broker holds it, with room for the rest. */
const MAX_DATA_BYTES = 15 * 1_048_576

function toMessage(queue: unknown, data: unknown, { key, delay }: SendOptions): Omit<HostMessage, 'trace'> {
  if (typeof queue !== 'string') {
    throw new TypeError("`ctx.send` takes a queue first, such as `queue('emails')`, and its data second")
  }
  if (key !== undefined && typeof key !== 'string') {
    throw new TypeError(`the option \`key\` of \`ctx.send\` must be a string, got ${typeof key}`)
  }
  const json = JSON.stringify(data ?? null) as string | undefined
  if (json === undefined) throw new TypeError(`the data of \`ctx.send\` must be JSON, got a ${typeof data}`)
  const bytes = Buffer.byteLength(json)
  if (bytes > MAX_DATA_BYTES) {
    const message = `the data of \`ctx.send\` must be at most ${MAX_DATA_BYTES} bytes of JSON, got ${bytes}`
    throw new TappetError('TPT_EVENT_TOO_LARGE', message)
  }
  return {
    queue,
    data: JSON.parse(json) as unknown,
    key: key ?? null,
    delayMs: delay === undefined ? 0 : delayMs(delay),
  }
}

function delayMs(delay: NonNullable<SendOptions['delay']>): number {
  try {
    return toMs(delay)
  } catch (error) {
    throw new RangeError(`the option \`delay\` of \`ctx.send\` ${(error as Error).message}`, { cause: error })
  }
}

/** What `ctx.db` says where there is no database. */
export function noDatabase(functionId: string): never {
  throw new TappetError(
    'TPT_CONFIG_INVALID',
    `${functionId}: \`ctx.db\` needs a database URL, and in a sandbox \`network: true\`, got none`,
  )
}
