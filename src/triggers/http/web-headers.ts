import type { HeaderList } from '../../runtime/runtime.ts'

/** They are about one connection, not about the request or the response (RFC 9110, 7.6.1). */
const HOP_BY_HOP =
  /^(connection|keep-alive|proxy-authenticate|proxy-authorization|proxy-connection|te|trailer|transfer-encoding|upgrade)$/i
/** Node answers it before a body is read. */
const ANSWERED = /^expect$/i
/** They are ours to set. */
const OURS = /^(date|tappet-.*)$/i

/** All headers of a request that are meant for who answers it, also those that are never written down. */
export function requestHeaders(rawHeaders: readonly string[]): HeaderList {
  const headers = pairs(rawHeaders)
  const named = namedByConnection(headers)
  return headers.filter(
    ([name]) => !HOP_BY_HOP.test(name) && !ANSWERED.test(name) && !named.has(name.toLowerCase()),
  )
}

/** The headers of a response that may reach the caller; a Content-Length only if it is one. */
export function responseHeaders(headers: HeaderList): HeaderList {
  const named = namedByConnection(headers)
  return headers.filter(
    ([name, value]) =>
      !HOP_BY_HOP.test(name) &&
      !OURS.test(name) &&
      !named.has(name.toLowerCase()) &&
      (name.toLowerCase() !== 'content-length' || /^\d{1,15}$/.test(value)),
  )
}

function pairs(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? '', raw[2 * i + 1] ?? ''])
}

function namedByConnection(headers: HeaderList): ReadonlySet<string> {
  const values = headers.filter(([name]) => name.toLowerCase() === 'connection').map(([, value]) => value)
  return new Set(values.flatMap((value) => value.split(',')).map((name) => name.trim().toLowerCase()))
}
