import { ANOTHER_EVERY_MS } from '../access/wrong-keys.ts'
import { CODES, type ErrorCode, type Failure, TappetError } from '../errors.ts'
import type { Issue } from '../lib/schema.ts'

/** What every refusal of ours looks like on the wire. `issues` only where a schema said no. */
export interface ErrorBody {
  readonly error: {
    readonly code: string
    readonly message: string
    readonly hint: string
    readonly issues?: readonly Issue[]
  }
}

export function errorBody({ code, message, hint, issues }: TappetError): ErrorBody {
  return { error: { code, message, hint, ...(issues.length > 0 && { issues }) } }
}

/** Headers that belong to a status: when to come back, or how to prove who you are. */
export function errorHeaders(status: number, code: string): Record<string, string> {
  if (status === 503) return { 'retry-after': '1' }
  if (code === 'TPT_RATE_LIMITED') return { 'retry-after': String(ANOTHER_EVERY_MS / 1_000) }
  if (code === 'TPT_FORBIDDEN') return { 'www-authenticate': 'Bearer error="insufficient_scope"' }
  if (code === 'TPT_UNAUTHORIZED') return { 'www-authenticate': 'Bearer' }
  return {}
}

/** Thrown for whoever reads it. */
const MEANT_TO_BE_READ: readonly string[] = ['FatalError', 'RetryAfterError']
/** Codes of ours whose messages quote what a function's process said. */
const QUOTING: readonly string[] = [
  ...['TPT_FUNCTION_FAILED', 'TPT_FUNCTION_CRASHED', 'TPT_FUNCTION_LOAD', 'TPT_RESULT_INVALID'],
  ...['TPT_INSTANCE_LOST', 'TPT_OUT_OF_MEMORY', 'TPT_TOO_MANY_PROCESSES'],
]

/**
 * A run's failure for people without a key. A code of ours keeps its status; the message is shown when it is ours, or
 * when the function threw it to be read. Any other may quote a row, a path or a secret: it stays in the run's record.
 */
export function toPublicError(failure: Failure | null, runId: string): TappetError {
  const { code, name, message } = failure ?? {}
  const ours = Object.hasOwn(CODES, code ?? '')
  const known = ours ? (code as ErrorCode) : 'TPT_FUNCTION_FAILED'
  const shown = MEANT_TO_BE_READ.includes(name ?? '') || (ours && !QUOTING.includes(known))
  return new TappetError(known, shown && message ? message : `The function failed: see ${runId}.`)
}

/** Our errors as they are, Fastify's refusals by their status, and nothing at all of what any other error says. */
export function asTappetError(error: unknown): TappetError {
  if (error instanceof TappetError) return error
  const { code, statusCode } = (error ?? {}) as {
    readonly code?: unknown
    readonly statusCode?: unknown
  }
  if (typeof code === 'string' && code.startsWith('FST_')) {
    if (statusCode === 413) return new TappetError('TPT_EVENT_TOO_LARGE', 'The body is too large.')
    if (statusCode === 415)
      return new TappetError('TPT_CONTENT_TYPE', 'The Content-Type header is not a media type.')
    if (statusCode === 400) return new TappetError('TPT_REQUEST_INVALID', 'The URL or a header is malformed.')
  }
  return new TappetError('TPT_INTERNAL', 'Something failed inside the broker.')
}
