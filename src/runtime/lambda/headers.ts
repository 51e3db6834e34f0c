import { createHash } from 'node:crypto'
import type { CallHeader } from '../ndjson/open-run.ts'
import { arnOf, requestIdOf } from './names.ts'

export interface Addressee {
  readonly functionId: string
  /** The timeout of its runs. */
  readonly timeoutMs: number
}

/** What Lambda says of an invocation beside its event. Of Tappet's own, the client context tells the rest. */
export function invocationHeaders(
  header: CallHeader,
  { functionId, timeoutMs }: Addressee,
  nowMs = Date.now(),
): Record<string, string> {
  return {
    'Lambda-Runtime-Aws-Request-Id': requestIdOf(header.runId),
    'Lambda-Runtime-Deadline-Ms': String(nowMs + timeoutMs),
    'Lambda-Runtime-Invoked-Function-Arn': arnOf(functionId),
    'Lambda-Runtime-Trace-Id': traceOf(header, nowMs),
    'Lambda-Runtime-Client-Context': JSON.stringify({ custom: contextOf(header) }),
    'Content-Type': 'application/json',
  }
}

/** In the form of X-Ray: the root is the run's, the parent the attempt's. */
function traceOf({ runId, attempt }: CallHeader, nowMs: number): string {
  const root = hexOf(runId, 24)
  const time = Math.floor(nowMs / 1_000).toString(16)
  return `Root=1-${time}-${root};Parent=${hexOf(`${runId} ${attempt}`, 16)};Sampled=0`
}

function hexOf(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits)
}

/** Texts only: some clients read nothing else there. */
function contextOf({ runId, attempt, maxAttempts, trigger }: CallHeader): Record<string, string> {
  return {
    'tappet-run-id': runId,
    'tappet-attempt': String(attempt),
    'tappet-max-attempts': String(maxAttempts),
    'tappet-trigger': String(trigger),
  }
}
