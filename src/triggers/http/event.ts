import type { Envelope } from '../../events/envelope.ts'
import type { PathParams } from '../../lib/path-pattern.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/**
 * `data` is the body: parsed when it is JSON or a form, text when it is text, base64 for anything else
 * (`request.encoding` says so), null when there is none.
 */
export interface HttpEvent<Path extends string = string, Body = unknown, Query = unknown> extends Envelope<
  'http.request',
  Body
> {
  readonly request: {
    readonly method: Method
    readonly path: string
    readonly params: PathParams<Path>
    readonly query: Query
    /** Those on the allow-list, names in lower case. `authorization` and `cookie` never. */
    readonly headers: Readonly<Record<string, string>>
    readonly encoding: 'json' | 'form' | 'text' | 'base64' | 'none'
  }
}
