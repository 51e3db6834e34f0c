import type { Failure } from '../../errors.ts'
import type { LogLine } from '../../runtime/runtime.ts'
import type { Attempt, Store } from '../../store/store.ts'
import type { RunEnd } from '../../triggers/trigger.ts'
import { pause } from '../../lib/service.ts'

/** Longest result, as Lambda has it: 6 MiB and 100 bytes. */
export const MAX_RESULT_BYTES = 6_291_556
const TAIL_BYTES = 4_096
/** Workers store lines of logs after at most 200 ms. */
const LOG_DELAY_MS = 300

export interface Answer {
  readonly payload: string
  /** Set when the function failed: its payload is the error then, and the status 200 all the same. */
  readonly functionError: 'Unhandled' | null
}

/** What a run came to, as Lambda puts it. */
export function toAnswer({ state, result, failure }: RunEnd, requestId: string): Answer {
  if (state !== 'completed')
    return { payload: JSON.stringify(toError(failure, requestId)), functionError: 'Unhandled' }
  const payload = JSON.stringify(result ?? null)
  if (Buffer.byteLength(payload) <= MAX_RESULT_BYTES) return { payload, functionError: null }
  const errorMessage = `Response payload size exceeded maximum allowed payload size (${MAX_RESULT_BYTES} bytes).`
  const error = { errorMessage, errorType: 'Function.ResponseSizeTooLarge' }
  return { payload: JSON.stringify(error), functionError: 'Unhandled' }
}

function toError(failure: Failure | null, requestId: string): object {
  if (failure === null) return { errorType: 'Runtime.Cancelled', errorMessage: 'The run was cancelled.' }
  const { name, message, code, stack } = failure
  if (code === 'TPT_TIMEOUT')
    return { errorType: 'Sandbox.Timedout', errorMessage: `RequestId: ${requestId} Error: ${message}` }
  if (code === 'TPT_FUNCTION_CRASHED' || code === 'TPT_TOO_MANY_PROCESSES')
    return { errorType: 'Runtime.ExitError', errorMessage: `RequestId: ${requestId} Error: ${message}` }
  if (code === 'TPT_OUT_OF_MEMORY')
    return { errorType: 'Runtime.OutOfMemory', errorMessage: `RequestId: ${requestId} Error: ${message}` }
  return {
    errorType: name,
    errorMessage: message,
    trace: stack?.split('\n').map((line) => line.trim()) ?? [],
  }
}

/** The last 4 KB of the run's log, in base 64, with the lines that Lambda puts around it. */
export async function tailOf(store: Store, runId: string, requestId: string): Promise<string> {
  await pause(LOG_DELAY_MS)
  const [lines, attempts] = await Promise.all([store.logs(runId), store.attempts(runId)])
  const last = attempts.at(-1)
  const text = [
    `START RequestId: ${requestId} Version: ${last?.version ?? '$LATEST'}`,
    ...lines.map((line) => toText(line, requestId)),
    `END RequestId: ${requestId}`,
    report(last, requestId),
  ].join('\n')
  return Buffer.from(`${text}\n`).subarray(-TAIL_BYTES).toString('base64')
}

function toText({ time, level, message, fields }: LogLine, requestId: string): string {
  const more = fields === null ? '' : ` ${JSON.stringify(fields)}`
  return `${time}\t${requestId}\t${level.toUpperCase()}\t${message}${more}`
}

function report(attempt: Attempt | undefined, requestId: string): string {
  const ms = attempt ? attempt.finishedAt.getTime() - attempt.startedAt.getTime() : 0
  return `REPORT RequestId: ${requestId}\tDuration: ${ms.toFixed(2)} ms\tBilled Duration: ${Math.ceil(ms)} ms`
}
