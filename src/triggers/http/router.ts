import findMyWay from 'find-my-way'

import { toMs } from '../../lib/duration.ts'
import type { Subscription, TriggerProblem } from '../trigger.ts'
import { checkTrigger, isReserved, METHODS, WEB_METHODS } from './check.ts'
import type { HttpTrigger } from './declare.ts'
import { nearest } from './near-miss.ts'
import { createVerifier, type SecretOf, type Verifier } from './verify.ts'

/** One declaration, ready to serve. */
export interface Route {
  readonly subscription: Subscription<HttpTrigger>
  readonly waitMs: number | null
  /** null: anybody may call. `unset`: its secret is missing, so nobody may. */
  readonly verifier: Verifier | null | 'unset'
}

export interface Found {
  readonly kind: 'found'
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
}

export type Match =
  | Found
  | { readonly kind: 'method'; readonly allow: readonly string[] }
  /** `near` is a route that the caller may have meant. */
  | { readonly kind: 'none'; readonly near: string | null }

export interface Router {
  /** `url` is the request target as it came: path and query, still encoded. */
  find(method: string, url: string): Match
}

export interface BuiltRouter {
  readonly router: Router
  readonly problems: readonly TriggerProblem[]
}

/** Longest value of one path parameter, decoded. A longer one matches no route. */
const MAX_PARAM_LENGTH = 1_024

/** Of two declarations of one route the first is served. Never throws: what cannot be served becomes a problem. */
export function buildRouter(
  subscriptions: readonly Subscription<HttpTrigger>[],
  secret: SecretOf,
): BuiltRouter {
  const routes = new Map<string, Route>()
  const problems: TriggerProblem[] = []
  for (const subscription of subscriptions) {
    const { functionId, trigger } = subscription
    const report = (message: string): unknown => problems.push({ functionId, label: trigger.label, message })
    const wrong = checkTrigger(trigger)
    if (wrong !== null) {
      report(wrong)
      continue
    }
    const shapes = methodsOf(trigger).map((method) => shapeOf(method, trigger.path))
    const other = shapes.map((shape) => routes.get(shape)).find(Boolean)?.subscription
    if (other) {
      report(`the route must be free, but ${other.functionId} has ${other.trigger.label}`)
      continue
    }
    const verifier = trigger.verify === null ? null : createVerifier(trigger.verify, secret)
    if (typeof verifier === 'string') report(verifier)
    const waitMs = trigger.wait === null ? null : toMs(trigger.wait)
    const route: Route = { subscription, waitMs, verifier: typeof verifier === 'string' ? 'unset' : verifier }
    for (const shape of shapes) routes.set(shape, route)
  }
  return { router: matcher(routes), problems }
}

type Shapes = ReadonlyMap<string, Route>

/** The same for routes that take the same requests: names of parameters do not tell them apart. */
function shapeOf(method: string, path: string): string {
  return `${method} ${path.replaceAll(/:\w+/g, ':')}`
}

function methodsOf({ method, web }: Subscription<HttpTrigger>['trigger']): readonly WebMethod[] {
  if (method !== 'ANY') return [method]
  return web ? WEB_METHODS : METHODS
}

type WebMethod = (typeof WEB_METHODS)[number]

/** A web handler on a route for GET is asked for heads as well, where no other is. */
function withHeads(shapes: Shapes): readonly (readonly [WebMethod, Route])[] {
  return [...shapes].flatMap(([shape, route]) => {
    const { path, web } = route.subscription.trigger
    const method = shape.slice(0, shape.indexOf(' ')) as WebMethod
    const head = web && method === 'GET' && !shapes.has(shapeOf('HEAD', path))
    return head
      ? [
          [method, route],
          ['HEAD', route],
        ]
      : [[method, route]]
  })
}

function matcher(shapes: Shapes): Router {
  const tree = findMyWay({ caseSensitive: true, allowUnsafeRegex: false, maxParamLength: MAX_PARAM_LENGTH })
  for (const [method, route] of withHeads(shapes))
    tree.on(method, route.subscription.trigger.path, () => undefined, route)
  const lookUp = (method: WebMethod, url: string): Found | null => {
    const hit = tree.find(method, url)
    if (hit === null) return null
    const params = hit.params as Record<string, string>
    // find-my-way takes `/orders/` for `/orders/:id`.
    const empty = Object.entries(params).some(([name, value]) => name !== '*' && value === '')
    return empty ? null : { kind: 'found', route: hit.store, params }
  }
  const triggers = [...new Set(shapes.values())].map((route) => route.subscription.trigger)
  return {
    find(method, url) {
      if (isReserved(decodedPath(url))) return { kind: 'none', near: null }
      const known = WEB_METHODS.find((each) => each === method)
      const found = known && lookUp(known, url)
      if (found) return found
      const allow = WEB_METHODS.filter((other) => lookUp(other, url) !== null)
      return allow.length > 0
        ? { kind: 'method', allow }
        : { kind: 'none', near: nearest(method, url, triggers) }
    },
  }
}

/** The path as the router compares it. */
function decodedPath(url: string): string {
  try {
    return findMyWay.sanitizeUrlPath(url)
  } catch {
    return url
  }
}
