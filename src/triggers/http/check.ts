import { validateHeaderName } from 'node:http'

import { toMs } from '../../lib/duration.ts'
import type { Declared } from '../trigger.ts'
import type { HttpTrigger } from './declare.ts'
import type { Verification } from './signatures.ts'

export const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
/** Those that reach a web handler on a route for any. */
export const WEB_METHODS = [...METHODS, 'HEAD', 'OPTIONS'] as const
export const MAX_BODY_BYTES = 16 * 1_048_576
export const DEFAULT_BODY_BYTES = 1_048_576
export const MAX_WAIT_MS = 300_000
export const MAX_PATH = 512

const SCHEMES: readonly Verification['scheme'][] = [
  'standard',
  'github',
  'stripe',
  'slack',
  'shopify',
  'hmac',
  'key',
]

/**
 * What is wrong with a declaration, or null: the option, what was expected, what came. Functions may be plain
 * JavaScript, so nothing that a type promises is taken for granted.
 */
export function checkTrigger(trigger: Declared<HttpTrigger>): string | null {
  const { method } = trigger
  if (method !== 'ANY' && !METHODS.includes(method))
    return `\`method\` must be one of ${METHODS.join(', ')}, got ${show(method)}`
  return (
    checkBytes(trigger) ??
    checkPath(trigger.path) ??
    checkWait(trigger.wait) ??
    checkHeaders(trigger) ??
    checkVerify(trigger)
  )
}

/** What is read as a whole must fit into memory; a body whose signature is checked is. */
function checkBytes({ maxBytes, web, verify }: Declared<HttpTrigger>): string | null {
  if (maxBytes === null || (Number.isSafeInteger(maxBytes) && maxBytes >= 1)) {
    if (maxBytes === null || maxBytes <= MAX_BODY_BYTES || (web && verify === null)) return null
  }
  return `\`maxBytes\` must be a whole number from 1 to ${MAX_BODY_BYTES} (16 MiB), got ${show(maxBytes)}`
}

/** Where the Invoke API of AWS Lambda is. */
const LAMBDA_API = /^\/20\d\d-\d\d-\d\d\/functions(\/|$)/

/** System routes: no function may take them, nor may a wildcard of one answer for them. `path` is decoded. */
export function isReserved(path: string): boolean {
  if (path.startsWith('/_tappet') || LAMBDA_API.test(path)) return true
  return ['/healthz', '/readyz', '/metrics'].includes(path)
}

function checkPath(path: unknown): string | null {
  if (typeof path !== 'string' || !path.startsWith('/'))
    return `\`path\` must start with '/', got ${show(path)}`
  if (path.length > MAX_PATH) return `\`path\` must have at most ${MAX_PATH} characters, got ${path.length}`
  if (isReserved(path)) return `\`path\` must not be one of the system routes, got ${show(path)}`
  const segments = path.slice(1).split('/')
  const wrong = segments.findIndex((segment, at) => !isSegment(segment, at === segments.length - 1))
  if (wrong !== -1) {
    const expected = "plain text without '%', a parameter such as :id, or '*' at the end"
    return `\`path\` ${show(path)}: each segment must be ${expected}, got ${show(segments[wrong])}`
  }
  const names = segments.filter((segment) => segment.startsWith(':'))
  if (new Set(names).size < names.length)
    return `\`path\` ${show(path)}: a parameter's name must not come twice`
  return null
}

/** No regular expressions and no two parameters in one segment: matching stays linear. */
function isSegment(segment: string, last: boolean): boolean {
  if (segment === '') return last
  if (segment === '*') return last
  if (segment === '.' || segment === '..' || segment === ':__proto__') return false
  return /^:[A-Za-z_]\w*$/.test(segment) || /^[\p{L}\p{M}\p{N}\-._~!$&'+,;=@]+$/u.test(segment)
}

function checkWait(wait: HttpTrigger['wait']): string | null {
  if (wait === null) return null
  try {
    const ms = toMs(wait)
    if (ms >= 1 && ms <= MAX_WAIT_MS) return null
  } catch {
    // Said below, with the limits.
  }
  return `\`wait\` must be like '5s', from 1ms to 5m, got ${show(wait)}`
}

function checkHeaders({ headers }: Declared<HttpTrigger>): string | null {
  const wrong = headers.find((name) => !isHeaderName(name))
  return wrong === undefined ? null : `\`headers\` must be names of headers, got ${show(wrong)}`
}

function checkVerify({ verify }: Declared<HttpTrigger>): string | null {
  if (verify === null) return null
  const { scheme, secrets, header } = verify
  if (!SCHEMES.includes(scheme)) return `\`verify\` must be one of ${SCHEMES.join(', ')}, got ${show(scheme)}`
  const named = Array.isArray(secrets) && secrets.length > 0 && secrets.every((name) => /^\w+$/.test(name))
  if (!named) return `\`verify\` must name environment variables that hold the secret, got ${show(secrets)}`
  if (scheme !== 'hmac' && header === null) return null
  return isHeaderName(header) ? null : `\`verify\` must name a header, got ${show(header)}`
}

function isHeaderName(name: unknown): boolean {
  try {
    validateHeaderName(name as string)
    return true
  } catch {
    return false
  }
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 200)
}
