import type { WebFetch } from '../../define/define-web-handler.ts'
import type { WebModule } from '../handler/web-event.ts'

/** What a bundle exports, as far as it concerns us. */
export interface ModuleExports {
  readonly default?: unknown
  readonly config?: unknown
}

/** A web handler by its shape: an object with `fetch`, or a function; null when the default export is neither. */
export function readWebModule(exports: ModuleExports): (WebModule & { readonly bare: boolean }) | null {
  const { default: handler, config: beside } = exports
  const own = isObject(handler) ? handler : {}
  const isApp = typeof own.fetch === 'function'
  if (!isApp && !isPlainFunction(handler)) return null
  const config = beside ?? (isApp ? own.config : undefined)
  // By the object: apps find themselves by `this`.
  const fetch: WebFetch = isApp
    ? (...args) => (own as { readonly fetch: WebFetch }).fetch(...args)
    : (handler as WebFetch)
  return { fetch, config: config ?? {}, bare: !isApp && config === undefined }
}

/** What can only be called with `new` answers no request. */
function isPlainFunction(value: unknown): boolean {
  return typeof value === 'function' && !/^class\b/.test(Function.prototype.toString.call(value))
}

function isObject(value: unknown): value is { readonly fetch?: unknown; readonly config?: unknown } {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}
