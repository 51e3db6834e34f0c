import { createHmac, createPublicKey, KeyObject, verify } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

import { digestOf, isAmong } from '../../lib/secret.ts'
import type { Verification } from './signatures.ts'

export type SecretOf = (name: string) => string | undefined

/** True when a holder of one of the secrets sent exactly these bytes, not more than 300 s from `nowMs`. */
export type Verifier = (headers: IncomingHttpHeaders, body: Buffer, nowMs: number) => boolean

/** What a request says of itself, and what it must say if its sender has `key`. */
interface Claim {
  readonly given: readonly string[]
  readonly expected: (key: Buffer) => string
  /** Unix seconds as they came; null where the scheme signs no time. */
  readonly timestamp: string | null
  /** Signatures for who has the sender's public key only, and what they are over. */
  readonly sealed?: { readonly given: readonly string[]; readonly content: () => Buffer }
}

/** A shared secret, or the public key of a sender who keeps the other half. */
type Key = Buffer | KeyObject

type Scheme = (headers: IncomingHttpHeaders, body: Buffer, verification: Verification) => Claim

const TOLERANCE_S = 300
/** A shorter piece of a secret with spaces in it is a word, not a secret of its own. */
const MIN_PIECE = 16
/** A sender that changes its key sends two. Each costs a reading of the whole body. */
const MAX_SEALED = 4

/** A sentence instead of a verifier when no secret can be had. */
export function createVerifier(verification: Verification, secret: SecretOf): Verifier | string {
  const { scheme, secrets } = verification
  const texts = secrets.flatMap((name) => split(secret(name) ?? ''))
  if (texts.length === 0) {
    return `\`verify\` needs the secret in the environment variable ${secrets.join(' or ')}, which is not set`
  }
  const keys = texts.map(scheme === 'standard' ? standardKey : (text) => Buffer.from(text))
  const usable = keys.filter((key) => key !== null)
  if (usable.length < keys.length) {
    const wanted = 'a secret like whsec_<base64> or a public key like whpk_<base64>'
    return `\`verify\` needs ${wanted} in ${secrets.join(', ')}, got something else`
  }
  const claimOf = SCHEMES[scheme]
  return (headers, body, nowMs) => holds(claimOf(headers, body, verification), usable, nowMs)
}

/** Whether the scheme signs the body's bytes as they travel, so that they may not be compressed on the way. */
export function signsBody({ scheme }: Verification): boolean {
  return scheme !== 'key'
}

/** Several secrets in one variable are separated by whitespace, so that one can be replaced without a gap. */
function split(value: string): readonly string[] {
  const pieces = value.split(/\s+/).filter((piece) => piece !== '')
  return pieces.every((piece) => piece.length >= MIN_PIECE) ? pieces : [value.trim()]
}

function standardKey(text: string): Key | null {
  const base64 = text.replace(/^(whsec|whpk)_/, '')
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return null
  const bytes = Buffer.from(base64, 'base64')
  if (!text.startsWith('whpk_')) return bytes
  if (bytes.length !== 32) return null
  return createPublicKey({
    format: 'jwk',
    key: { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') },
  })
}

/** Looks at every pair, so that the time taken does not tell which one was nearly right. */
function holds({ given, expected, timestamp, sealed }: Claim, keys: readonly Key[], nowMs: number): boolean {
  const digests = given.map(digestOf)
  let equal = false
  for (const key of keys) {
    if (key instanceof KeyObject) {
      equal = isSealed(sealed, key) || equal
      continue
    }
    equal = isAmong(digestOf(expected(key)), digests) || equal
  }
  return equal && (timestamp === null || isFresh(timestamp, nowMs))
}

/** Nothing here is secret: how long it takes tells nobody anything. */
function isSealed(sealed: Claim['sealed'], key: KeyObject): boolean {
  const signatures = sealed?.given.filter((text) => /^[A-Za-z0-9+/]{86}==$/.test(text)) ?? []
  if (sealed === undefined || signatures.length === 0) return false
  const content = sealed.content()
  return signatures
    .slice(0, MAX_SEALED)
    .some((text) => verify(null, content, key, Buffer.from(text, 'base64')))
}

function isFresh(timestamp: string, nowMs: number): boolean {
  if (!/^\d{1,12}$/.test(timestamp)) return false
  return Math.abs(Math.floor(nowMs / 1_000) - Number(timestamp)) <= TOLERANCE_S
}

const SCHEMES: Readonly<Record<Verification['scheme'], Scheme>> = {
  standard(headers, body) {
    const of = (name: string): string =>
      headerOf(headers, `webhook-${name}`) || headerOf(headers, `svix-${name}`)
    const timestamp = of('timestamp')
    const parts = single(of('signature')).split(' ')
    const given = parts.flatMap((part) => after('v1,', part))
    const head = `${of('id')}.${timestamp}.`
    const sealed = {
      given: parts.flatMap((part) => after('v1a,', part)),
      content: () => Buffer.concat([Buffer.from(head), body]),
    }
    return { given, timestamp, sealed, expected: (key) => hmac(key, head, body, 'base64') }
  },

  github: (headers, body) => ({
    given: after('sha256=', headerOf(headers, 'x-hub-signature-256')),
    timestamp: null,
    expected: (key) => hmac(key, '', body, 'hex'),
  }),

  stripe(headers, body) {
    const parts = single(headerOf(headers, 'stripe-signature')).split(',')
    const given = parts.flatMap((part) => after('v1=', part))
    const times = parts.flatMap((part) => after('t=', part))
    const timestamp = times.length === 1 ? (times[0] ?? '') : ''
    return { given, timestamp, expected: (key) => hmac(key, `${timestamp}.`, body, 'hex') }
  },

  slack(headers, body) {
    const timestamp = headerOf(headers, 'x-slack-request-timestamp')
    const given = after('v0=', headerOf(headers, 'x-slack-signature'))
    return { given, timestamp, expected: (key) => hmac(key, `v0:${timestamp}:`, body, 'hex') }
  },

  shopify: (headers, body) => ({
    given: after('', headerOf(headers, 'x-shopify-hmac-sha256')),
    timestamp: null,
    expected: (key) => hmac(key, '', body, 'base64'),
  }),

  hmac(headers, body, { header, algorithm, encoding, prefix }) {
    const digests = after(prefix, headerOf(headers, header ?? ''))
    const hex = encoding !== 'base64'
    return {
      given: hex ? digests.map((digest) => digest.toLowerCase()) : digests,
      timestamp: null,
      expected: (key) => hmac(key, '', body, hex ? 'hex' : 'base64', algorithm ?? 'sha256'),
    }
  },

  key(headers, _body, { header }) {
    const given =
      header === null ? bearer(headerOf(headers, 'authorization')) : after('', headerOf(headers, header))
    return { given, timestamp: null, expected: (key) => key.toString() }
  },
}

function headerOf(headers: IncomingHttpHeaders, name: string): string {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined
  return typeof value === 'string' ? value : ''
}

/** Nothing for a header that came twice: Node joins them with a comma and a space, which no list in one has. */
function single(value: string): string {
  return value.includes(', ') ? '' : value
}

/** What follows the prefix; nothing when the prefix is not there or nothing follows. */
function after(prefix: string, value: string): readonly string[] {
  return value.startsWith(prefix) && value.length > prefix.length ? [value.slice(prefix.length)] : []
}

function bearer(value: string): readonly string[] {
  const token = /^Bearer +(\S+) *$/i.exec(value)?.[1]
  return token === undefined ? [] : [token]
}

function hmac(
  key: Buffer,
  head: string,
  body: Buffer,
  encoding: 'hex' | 'base64',
  algorithm = 'sha256',
): string {
  return createHmac(algorithm, key).update(head).update(body).digest(encoding)
}
