import type { IncomingHttpHeaders } from 'node:http'
import { type Failure, TappetError, toFailure } from '../../errors.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

/** Below 500, these may come out otherwise another time. */
const RETRYABLE = [404, 408, 409, 425, 429]
const MAX_EXCERPT = 500

/** The result: the whole answer where a caller over HTTP waits, else JSON if it is, else the text; null for nothing. */
export function resultOf({ status, rawHeaders, body }: Answer, isRequest: boolean): unknown {
  if (isRequest) {
    const headers = rawHeaders.flatMap((name, place) =>
      place % 2 === 0 ? [[name.toLowerCase(), rawHeaders[place + 1] ?? '']] : [],
    )
    return { '~response': { status, headers, body: body.toString('base64') } }
  }
  const text = body.toString()
  if (text.trim() === '') return null
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

/** Null for a success: 2xx. */
export function failureOf(file: string, { status, headers, body }: Answer): Failure | null {
  if (status >= 200 && status < 300) return null
  const excerpt = body.subarray(0, MAX_EXCERPT).toString().trim()
  const message = `${file}: its server answered ${status}${excerpt === '' ? '' : `: ${excerpt}`}`
  const after = readRetryAfter(headers['retry-after'])
  const { name, code } = new TappetError('TPT_FUNCTION_FAILED', message)
  return {
    ...toFailure({ name, message, code, after }),
    retryable: status >= 500 || RETRYABLE.includes(status),
  }
}

/** Seconds, or a date. */
function readRetryAfter(value: string | undefined): string | Date | undefined {
  if (value === undefined) return undefined
  if (/^\d{1,9}$/.test(value)) return `${value}s`
  const date = new Date(value)
  return Number.isNaN(date.getTime()) ? undefined : date
}
