import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

import { TappetError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import type { Verification } from './signatures.ts'

export interface Identity {
  readonly id: string
  /** Further names of the same event. */
  readonly aliases: readonly string[]
  /** The id is the `Idempotency-Key`: the same one with something else is a mistake. */
  readonly byKey: boolean
}

export interface Identified {
  readonly scheme: Verification['scheme'] | null
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** The body as parsed. */
  readonly data: unknown
}

const MAX_KEY = 255
const VISIBLE = /^[\x21-\x7e]+$/

/**
 * The event's id: what the sender signed as the id, else its `Idempotency-Key`, else a new one; then a repeat is
 * another event. GitHub's and Shopify's ids are not signed, and whoever captured a request could change them: the hash
 * of the signed body is a second name there.
 *
 * @throws TappetError TPT_REQUEST_INVALID for an `Idempotency-Key` that is none.
 */
export function identify(request: Identified): Identity {
  const { scheme, headers, body } = request
  const hash = `sha256:${sha256(body)}`
  const signed = clean(scheme === null ? undefined : SENT_IDS[scheme](request))
  if (scheme === 'github' || scheme === 'shopify')
    return { id: signed ?? hash, aliases: [hash], byKey: false }
  const byKey = signed === null && headers['idempotency-key'] !== undefined
  return { id: signed ?? chosen(headers), aliases: [], byKey }
}

/** Where each sender writes its own id. */
const SENT_IDS: Readonly<Record<Verification['scheme'], (request: Identified) => unknown>> = {
  standard: ({ headers }) => headers['webhook-id'] ?? headers['svix-id'],
  github: ({ headers }) => headers['x-github-delivery'],
  shopify: ({ headers }) => headers['x-shopify-webhook-id'],
  stripe: ({ data }) => property(data, 'id'),
  slack: ({ data }) => property(data, 'event_id'),
  hmac: () => undefined,
  key: () => undefined,
}

function chosen(headers: IncomingHttpHeaders): string {
  const key = headers['idempotency-key']
  if (key === undefined) return newId('msg')
  if (typeof key === 'string' && key.length <= MAX_KEY && VISIBLE.test(key)) return key
  const expected = `1 to ${MAX_KEY} visible ASCII characters`
  throw new TappetError(
    'TPT_REQUEST_INVALID',
    `Idempotency-Key must be ${expected}, got ${JSON.stringify(key)}`,
  )
}

/** An id that any store can hold: what is too long or not plain text goes by its hash. */
function clean(id: unknown): string | null {
  if (typeof id !== 'string' || id === '') return null
  return id.length <= MAX_KEY && VISIBLE.test(id) ? id : `sha256:${sha256(JSON.stringify(id))}`
}

function property(data: unknown, name: string): unknown {
  if (typeof data !== 'object' || data === null || !Object.hasOwn(data, name)) return undefined
  return (data as Record<string, unknown>)[name]
}

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}
