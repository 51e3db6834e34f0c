import type { Duration } from '../../lib/duration.ts'
import type { Output, Schema } from '../../lib/schema.ts'
import type { Trigger } from '../trigger.ts'
import type { HttpEvent, Method } from './event.ts'
import type { Verification } from './signatures.ts'

export interface HttpTrigger<Event extends HttpEvent = HttpEvent> extends Trigger<Event> {
  readonly kind: 'http'
  /** ANY: each of those that there are. */
  readonly method: Method | 'ANY'
  readonly path: string
  /** Hold the response for the result this long; null: answer 202 at once. */
  readonly wait: Duration | null
  /** Largest body in bytes; null: 1 MiB, and no limit where a web handler reads it as it comes. */
  readonly maxBytes: number | null
  readonly verify: Verification | null
  /** Names of further headers that the event keeps, in lower case. */
  readonly headers: readonly string[]
  /** The function answers the request itself: no event is made of it before. Set by the catalog. */
  readonly web?: true
}

export interface HttpOptions<Body extends Schema = Schema, Query extends Schema = Schema> {
  /** Validates the body; a request that fails is answered 422 and never becomes an event. */
  readonly body?: Body
  readonly query?: Query
  /**
   * Hold the response for the result this long, at most 5m; then, or by default at once, answer 202 with the run's
   * URL.
   */
  readonly wait?: Duration
  /** Largest body in bytes. Default 1 MiB, at most 16 MiB; for web handlers any, by default no limit. */
  readonly maxBytes?: number
  /** Who may call: a signature over the raw bytes, or an API key. Default: anybody who can reach the port. */
  readonly verify?: Verification
  /** Request headers to keep beside the usual ones. Those that let somebody in are never kept. */
  readonly headers?: readonly string[]
}

type AnyQuery = Schema<Readonly<Record<string, string | readonly string[]>>>

function route<M extends HttpTrigger['method']>(method: M) {
  return <const Path extends string, Body extends Schema = Schema, Query extends Schema = AnyQuery>(
    path: Path,
    options: HttpOptions<Body, Query> = {},
  ): HttpTrigger<HttpEvent<Path, Output<Body>, Output<Query>>> => ({
    kind: 'http',
    label: `${method} ${path}`,
    method,
    path,
    wait: options.wait ?? null,
    maxBytes: options.maxBytes ?? null,
    verify: options.verify ?? null,
    headers: (options.headers ?? []).map((name) => name.toLowerCase()),
    schemas: {
      ...(options.body && { data: options.body }),
      ...(options.query && { 'request.query': options.query }),
    },
  })
}

/** Runs a function on a request: `http.post('/orders/:id', { body: Order })`. */
export const http = {
  get: route('GET'),
  post: route('POST'),
  put: route('PUT'),
  patch: route('PATCH'),
  delete: route('DELETE'),
  /** All of these methods; for a web handler HEAD and OPTIONS, too. */
  any: route('ANY'),
}
