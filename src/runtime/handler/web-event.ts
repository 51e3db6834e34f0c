import type { Context } from '../../define/context.ts'
import type { FunctionDefinition } from '../../define/define-function.ts'
import type { WebFetch, WebOptions } from '../../define/define-web-handler.ts'
import { TappetError } from '../../errors.ts'
import type { Envelope } from '../../events/envelope.ts'
import type { HttpEvent } from '../../triggers/http/event.ts'
import { withWaitUntil } from './web.ts'

/** What a file exports that answers requests itself. */
export interface WebModule {
  readonly fetch: WebFetch
  readonly config: WebOptions
}

/** Events that came over HTTP begin with this; those that people and programs made do not. */
const OVER_HTTP = '/http/'

/**
 * A web handler as a function of events: for people who invoke it with data. It gets a request made of the event, and what it
 * returns is the result. A request that was answered once is not kept as a whole, and cannot be made again.
 */
export function asDefinition({ fetch, config }: WebModule): FunctionDefinition {
  return {
    options: { ...config, on: config.on ?? BY_DEFAULT },
    async handler(event: Envelope, given: Context) {
      if (event.source.startsWith(OVER_HTTP))
        throw new TappetError(
          'TPT_CONFLICT',
          'a request is answered once: its body is not kept, it cannot run again',
        )
      const { ctx, settled } = withWaitUntil(given, (event as Partial<HttpEvent>).request?.params ?? {})
      try {
        return await fetch(requestOf(event, ctx.signal), ctx.env, ctx)
      } finally {
        await settled()
      }
    },
  }
}

/** By their place only: events are told by it which trigger made them. */
const BY_DEFAULT = Array.from({ length: 2 }, () => ({ kind: 'http', label: '', schemas: {} }))

function requestOf({ data, ...event }: Envelope, signal: AbortSignal): Request {
  const { method = 'POST', path = '/' } = (event as Partial<HttpEvent>).request ?? {}
  const hasBody = data !== null && data !== undefined && method !== 'GET'
  return new Request(`http://localhost${path.replace(/\*$/, '')}`, {
    ...{ method, signal },
    ...(hasBody && { body: JSON.stringify(data), headers: { 'content-type': 'application/json' } }),
  })
}
