import { type Duration, toMs } from './lib/duration.ts'
import type { Issue } from './lib/schema.ts'

/** Who has to act: who sent the event, who wrote the function, who runs the broker, or nobody but the machine. */
export type Fault = 'sender' | 'author' | 'operator' | 'system'

export interface ErrorInfo {
  readonly fault: Fault
  /** Can the same thing succeed later without anybody changing anything? */
  readonly retry: boolean
  /** HTTP status that a waiting caller gets. */
  readonly status: number
  /** What to do about it, one sentence. */
  readonly hint: string
}

/** Every error of our own. `npm run docs` makes `docs/errors.md` of it, and pages with `explain/`. */
export const CODES = {
  TPT_CONFIG_INVALID: info('operator', false, 500, 'Correct the environment variable or flag that is named.'),
  TPT_USAGE: info('sender', false, 400, 'Read `tappet help` for what there is.'),
  TPT_QUERY_FAILED: info('sender', false, 400, 'Correct the statement.'),
  TPT_FOLDER_READONLY: info(
    'operator',
    false,
    500,
    'Make the folder writable, or choose another with --cwd.',
  ),
  TPT_ALREADY_RUNNING: info(
    'operator',
    false,
    409,
    'Stop the other process first, or work in another folder.',
  ),
  TPT_PORT_TAKEN: info('operator', false, 409, 'Choose another port with --port or PORT.'),
  TPT_POSTGRES_EMBEDDED: info('operator', false, 500, 'Set DATABASE_URL to a Postgres of your own.'),
  TPT_MIGRATION_FAILED: info('operator', false, 500, 'Read the cause; the database is as it was before.'),
  TPT_MIGRATION_PENDING: info(
    'operator',
    false,
    500,
    'Run `tappet migrate` with the URL of the installer, see `tappet db grants`.',
  ),
  TPT_DURABILITY: info('operator', false, 500, 'Turn fsync, full_page_writes and synchronous_commit on.'),
  TPT_SANDBOX_UNAVAILABLE: info(
    'operator',
    false,
    500,
    'Install bubblewrap and permit user namespaces: `tappet doctor` says what is missing.',
  ),
  TPT_FUNCTION_INVALID: info('author', false, 500, 'Correct the file and option that are named.'),
  TPT_FUNCTION_NOT_FOUND: info('author', true, 404, 'List what there is with `tappet functions`.'),
  TPT_ROUTE_NOT_FOUND: info('sender', false, 404, 'List the routes with `tappet functions`.'),
  TPT_METHOD_NOT_ALLOWED: info('sender', false, 405, 'Use one of the methods in the Allow header.'),
  TPT_EVENT_INVALID: info('sender', false, 422, 'Correct the fields that are listed.'),
  TPT_KEY_REUSED: info('sender', false, 422, 'Send another request under another Idempotency-Key.'),
  TPT_FILTER_INVALID: info('sender', false, 400, 'Correct the filter at the place that is named.'),
  TPT_REQUEST_INVALID: info('sender', false, 400, 'Send a well-formed HTTP/1.1 request.'),
  TPT_REQUEST_TIMEOUT: info('sender', true, 408, 'Send the whole request sooner.'),
  TPT_BODY_INVALID: info('sender', false, 400, 'Send a well-formed body of the type that the header names.'),
  TPT_EVENT_TOO_LARGE: info('sender', false, 413, 'Send less, or raise `maxBytes` on the trigger.'),
  TPT_CONTENT_TYPE: info('sender', false, 415, 'Send one of the content types that the trigger accepts.'),
  TPT_SIGNATURE_INVALID: info('sender', false, 401, 'Check the shared secret, the raw body and the clock.'),
  TPT_UNAUTHORIZED: info('sender', false, 401, 'Send a key as `Authorization: Bearer <key>`.'),
  TPT_FORBIDDEN: info('sender', false, 403, 'Use a key that has the scope.'),
  TPT_RATE_LIMITED: info('sender', true, 429, 'Wait as long as the Retry-After header says.'),
  TPT_OUTGOING_REFUSED: info('operator', false, 403, 'Allow the host, or correct the URL.'),
  TPT_OUTGOING_FAILED: info('operator', true, 502, 'Check that the other side answers.'),
  TPT_NOT_FOUND: info('sender', false, 404, 'Check the id.'),
  TPT_CONFLICT: info('sender', false, 409, 'Look at the current state first.'),
  TPT_STORAGE_FULL: info('operator', true, 507, 'Free some disk space.'),
  TPT_OVERLOADED: info('system', true, 503, 'Send it again after the time in Retry-After.'),
  TPT_PAUSED: info('operator', true, 503, 'Resume the function: `tappet queues resume <function>`.'),
  TPT_UNAVAILABLE: info(
    'system',
    true,
    503,
    'Check that Postgres and Redis can be reached: `tappet doctor`.',
  ),
  TPT_SHUTDOWN: info('system', true, 503, 'Send it again; another process takes it.'),
  TPT_TIMEOUT: info('author', true, 504, 'Raise `timeout`, or honour `ctx.signal` and do less.'),
  TPT_FUNCTION_FAILED: info(
    'author',
    true,
    500,
    'Read the run’s log, correct the function and replay the run.',
  ),
  TPT_FUNCTION_CRASHED: info('author', true, 500, 'Read the run’s log for what the process said last.'),
  TPT_OUT_OF_MEMORY: info(
    'author',
    true,
    500,
    'Raise `memory`, hold less at once, or lower `instanceConcurrency`.',
  ),
  TPT_TOO_MANY_PROCESSES: info(
    'author',
    true,
    500,
    'Raise `maxProcesses`, start fewer at once, or lower `instanceConcurrency`.',
  ),
  TPT_FUNCTION_LOAD: info('author', true, 500, 'Run the file by itself, or read the stack.'),
  TPT_RESULT_INVALID: info('author', false, 500, 'Return what JSON can hold, within the size limit.'),
  TPT_INSTANCE_LOST: info(
    'system',
    true,
    503,
    'Nothing to do: the run is tried again without using an attempt.',
  ),
  TPT_LEASE_LOST: info('system', true, 503, 'Nothing to do: another worker has taken the run over.'),
  TPT_RUN_LOST_TOO_OFTEN: info(
    'operator',
    false,
    500,
    'Look why workers die while this run is on them, then replay it.',
  ),
  TPT_INTERNAL: info('system', false, 500, 'Please report it, with the log around it.'),
} as const satisfies Record<string, ErrorInfo>

export type ErrorCode = keyof typeof CODES

function info(fault: Fault, retry: boolean, status: number, hint: string): ErrorInfo {
  return { fault, retry, status, hint }
}

/** An error of our own: a code of the table above, and a message that says what was expected, what came, and where. */
export class TappetError extends Error {
  override readonly name = 'TappetError'
  readonly code: ErrorCode
  /** What a schema said, for TPT_EVENT_INVALID. */
  readonly issues: readonly Issue[]

  constructor(
    code: ErrorCode,
    message: string,
    options: ErrorOptions & { readonly issues?: readonly Issue[] } = {},
  ) {
    super(message, options)
    this.code = code
    this.issues = options.issues ?? []
  }

  get status(): number {
    return CODES[this.code].status
  }

  get hint(): string {
    return CODES[this.code].hint
  }

  get retryable(): boolean {
    return CODES[this.code].retry
  }
}

/** For logs and operators: what an error says, and what it says of its cause. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${explain(error.cause)}`
}

/** Thrown by a handler: trying again cannot help. The run goes to the dead letters now. */
export class FatalError extends Error {
  override readonly name = 'FatalError'
  readonly retryable = false
}

/** Thrown by a handler: try again, but not before then. Uses an attempt. */
export class RetryAfterError extends Error {
  override readonly name = 'RetryAfterError'
  readonly retryable = true
  readonly after: Duration | Date

  constructor(message: string, after: Duration | Date, options?: ErrorOptions) {
    super(message, options)
    this.after = after
  }
}

/** A thrown value as data, so that it survives a process, Redis and Postgres. */
export interface Failure {
  readonly name: string
  readonly message: string
  readonly stack: string | null
  readonly code: string | null
  readonly retryable: boolean
  /** Not before this long from now; null leaves it to the retry policy. */
  readonly retryAfterMs: number | null
}

const MAX_MESSAGE = 4_000
const MAX_STACK = 16_000

/** Reads a thrown value by its properties, not its class: it may come from another copy of this module. */
export function toFailure(thrown: unknown, nowMs = Date.now()): Failure {
  const error = asError(thrown)
  const { code, retryable, after } = error as {
    code?: unknown
    retryable?: unknown
    after?: unknown
  }
  return {
    name: String(error.name || 'Error').slice(0, 200),
    message: String(error.message).slice(0, MAX_MESSAGE),
    stack: typeof error.stack === 'string' ? error.stack.slice(0, MAX_STACK) : null,
    code: typeof code === 'string' ? code.slice(0, 200) : null,
    retryable: retryable !== false,
    retryAfterMs: msUntil(after, nowMs),
  }
}

function asError(thrown: unknown): Pick<Error, 'name' | 'message' | 'stack'> {
  if (thrown !== null && typeof thrown === 'object' && 'message' in thrown) return thrown as Error
  let text: string
  try {
    text = typeof thrown === 'string' ? thrown : (JSON.stringify(thrown) ?? String(thrown))
  } catch {
    text = Object.prototype.toString.call(thrown)
  }
  return { name: 'NonError', message: text }
}

function msUntil(after: unknown, nowMs: number): number | null {
  if (after instanceof Date) return Math.max(0, after.getTime() - nowMs)
  if (typeof after !== 'string') return null
  try {
    return toMs(after as Duration)
  } catch {
    return null
  }
}
