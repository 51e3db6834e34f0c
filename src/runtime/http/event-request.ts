import type { Envelope } from '../../events/envelope.ts'
import type { CallHeader } from '../ndjson/open-run.ts'
import type { HttpTarget } from '../runtime.ts'

export interface EventRequest {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

const ATTRIBUTES = ['specversion', 'id', 'source', 'type', 'subject', 'time'] as const

/** An event in a request, by the HTTP binding of CloudEvents 1.0, and which attempt it is for. */
export function eventRequest(
  event: Buffer,
  functionId: string,
  { runId, attempt, maxAttempts, trigger }: CallHeader,
  content: HttpTarget['content'],
): EventRequest {
  const own = {
    'tappet-function-id': functionId,
    'tappet-run-id': runId,
    'tappet-attempt': String(attempt),
    'tappet-max-attempts': String(maxAttempts),
    'tappet-trigger': String(trigger),
  }
  if (content === 'structured')
    return { headers: { 'content-type': 'application/cloudevents+json', ...own }, body: event }
  const envelope = JSON.parse(event.toString()) as Envelope
  const attributes = ATTRIBUTES.flatMap((name) => {
    const value = envelope[name]
    return value === undefined || value === '' ? [] : [[`ce-${name}`, encodeHeader(value)]]
  })
  return {
    headers: { 'content-type': 'application/json', ...Object.fromEntries(attributes), ...own },
    body: Buffer.from(JSON.stringify(envelope.data ?? null)),
  }
}

/** Section 3.1.3.2 of the binding: space, quote, percent and what is not printable ASCII, as UTF-8 in percent escapes. */
function encodeHeader(value: string): string {
  return value.replaceAll(/[^\u0021-\u007e]|["%]/gu, (char) =>
    [...Buffer.from(char)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}
