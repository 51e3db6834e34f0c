import type { IncomingHttpHeaders } from 'node:http'
import { TextDecoder } from 'node:util'

import { TappetError } from '../../errors.ts'
import { MAX_ATTRIBUTE } from '../../events/envelope.ts'
import { traceOf } from '../../events/trace.ts'
import { decodeUtf8, parseJson } from '../../lib/json.ts'
import type { Declared } from '../trigger.ts'
import type { HttpTrigger } from './declare.ts'
import type { HttpEvent, Method } from './event.ts'

export interface RequestParts {
  /** Where the trigger is for any. */
  readonly method?: string | undefined
  /** The request target as it came, path and query. */
  readonly url: string
  readonly params: Readonly<Record<string, string>>
  readonly headers: IncomingHttpHeaders
  readonly content: Content
}

export interface Content {
  readonly data: unknown
  readonly encoding: HttpEvent['request']['encoding']
}

export interface Occurrence {
  readonly id: string
  readonly nowMs: number
}

const KEPT_HEADERS = `
  accept accept-language content-length content-type idempotency-key origin user-agent
  traceparent tracestate x-correlation-id x-request-id
  svix-id svix-timestamp webhook-id webhook-timestamp
  x-github-delivery x-github-event x-github-hook-id
  x-shopify-api-version x-shopify-event-id x-shopify-shop-domain x-shopify-topic x-shopify-webhook-id
  x-slack-request-timestamp x-slack-retry-num x-slack-retry-reason`
  .trim()
  .split(/\s+/)

/** Never kept, even when a trigger asks for them. */
const SECRET_HEADER =
  /^(proxy-)?authorization$|^(set-)?cookie$|api-?key|signature|hmac|(^|-)(token|secret|password)(-|$)/

export function normalize(
  trigger: Declared<HttpTrigger>,
  { method: asked, url, params, headers, content }: RequestParts,
  { id, nowMs }: Occurrence,
): HttpEvent {
  const path = pathOf(url)
  const method = (trigger.method === 'ANY' ? (asked ?? 'GET') : trigger.method) as Method
  const query = toRecord(new URLSearchParams(queryOf(url)))
  return {
    specversion: '1.0',
    id,
    source: sourceOf(trigger),
    type: 'http.request',
    ...(path.length <= MAX_ATTRIBUTE && { subject: path }),
    time: new Date(nowMs).toISOString(),
    ...traceOf(headers),
    data: content.data,
    request: {
      method,
      path,
      params: { ...params },
      query,
      headers: keptHeaders(trigger, headers),
      encoding: content.encoding,
    },
  }
}

/** `/http/POST/orders/:id`, as a URI reference. */
export function sourceOf({ method, path }: Declared<HttpTrigger>): string {
  return `/http/${method}${encodeURI(path)}`
}

/**
 * What a body is, by its media type. Without one it is JSON if it parses, else text if it is UTF-8, else bytes.
 *
 * @throws TappetError TPT_BODY_INVALID, or TPT_CONTENT_TYPE for multipart bodies and unknown character sets.
 */
export function readContent(contentType: string | undefined, body: Buffer): Content {
  if (body.length === 0) return { data: null, encoding: 'none' }
  if (contentType === undefined) return guess(body)
  const type = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase()
  if (type === 'application/json' || type.endsWith('+json')) {
    return { data: parseJson(decode(body, utf8Only(contentType))), encoding: 'json' }
  }
  if (type === 'application/x-www-form-urlencoded') {
    const text = decode(body, utf8Only(contentType))
    return { data: toRecord(new URLSearchParams(text)), encoding: 'form' }
  }
  if (type.startsWith('text/')) return { data: decode(body, charsetOf(contentType)), encoding: 'text' }
  if (type.startsWith('multipart/')) {
    throw new TappetError(
      'TPT_CONTENT_TYPE',
      `HTTP triggers take no ${type}: send files to an upload trigger.`,
    )
  }
  return { data: body.toString('base64'), encoding: 'base64' }
}

function guess(body: Buffer): Content {
  try {
    const text = decodeUtf8(body)
    try {
      return { data: parseJson(text), encoding: 'json' }
    } catch {
      return { data: text, encoding: 'text' }
    }
  } catch {
    return { data: body.toString('base64'), encoding: 'base64' }
  }
}

function charsetOf(contentType: string): string {
  return /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType)?.[1]?.toLowerCase() ?? 'utf-8'
}

function utf8Only(contentType: string): string {
  const charset = charsetOf(contentType)
  if (['utf-8', 'utf8', 'us-ascii'].includes(charset)) return 'utf-8'
  throw new TappetError(
    'TPT_CONTENT_TYPE',
    `The charset must be utf-8, got ${JSON.stringify(charset.slice(0, 50))}.`,
  )
}

function decode(body: Buffer, charset: string): string {
  if (charset === 'utf-8' || charset === 'utf8') return decodeUtf8(body)
  let decoder: TextDecoder
  try {
    decoder = new TextDecoder(charset, { fatal: true })
  } catch {
    throw new TappetError(
      'TPT_CONTENT_TYPE',
      `The charset is not known: ${JSON.stringify(charset.slice(0, 50))}.`,
    )
  }
  try {
    return decoder.decode(body)
  } catch (error) {
    throw new TappetError('TPT_BODY_INVALID', `expected ${charset}, got bytes that are not`, { cause: error })
  }
}

/** More than any form has: collecting names holds everybody else up. */
const MAX_FIELDS = 10_000

/** A name that comes once is a text, one that comes again a list. `__proto__` is a name like any other. */
function toRecord(pairs: URLSearchParams): Record<string, string | string[]> {
  if (pairs.size > MAX_FIELDS)
    throw new TappetError('TPT_BODY_INVALID', `expected at most ${MAX_FIELDS} fields, got ${pairs.size}`)
  const record = new Map<string, string | string[]>()
  for (const [name, value] of pairs) {
    const known = record.get(name)
    if (Array.isArray(known)) known.push(value)
    else record.set(name, known === undefined ? value : [known, value])
  }
  return Object.fromEntries(record)
}

function keptHeaders(trigger: Declared<HttpTrigger>, headers: IncomingHttpHeaders): Record<string, string> {
  const names = [...KEPT_HEADERS, ...trigger.headers].filter((name) => !SECRET_HEADER.test(name))
  const kept = names.flatMap((name) => {
    const value = Object.hasOwn(headers, name) && name !== trigger.verify?.header ? headers[name] : undefined
    return value === undefined ? [] : [[name, String(value)] as const]
  })
  return Object.fromEntries(kept)
}

/** Without scheme and host, should a proxy have sent them, and without the query. */
function pathOf(url: string): string {
  return url.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '') || '/'
}

function queryOf(url: string): string {
  return /\?([^#]*)/.exec(url)?.[1] ?? ''
}
