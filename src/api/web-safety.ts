import type { FastifyInstance, FastifyRequest } from 'fastify'
import { TappetError } from '../errors.ts'

/** For answers that are data: nothing in them is a page. Routes that serve pages name a policy of their own. */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
}

const LOOPBACK = /^(localhost|[\w-]+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i
const CHANGES_NOTHING: readonly string[] = ['GET', 'HEAD', 'OPTIONS']

/**
 * Keeps other people's web pages away from the system routes, whatever a browser sends along by itself. Other origins
 * get no CORS headers and may change nothing. With `loopbackOnly`, nor may a page whose name was pointed at this
 * machine after it had been loaded (DNS rebinding): the browser takes it for the same origin, but its Host is not ours.
 */
export function addWebSafety(server: FastifyInstance, loopbackOnly: boolean): void {
  server.addHook('onRequest', async (request, reply) => {
    if (!isSystem(request)) return
    // On the raw response: some answers are not written by Fastify. A route's own headers win.
    for (const [name, value] of Object.entries(HEADERS)) reply.raw.setHeader(name, value)
    const { host } = request.headers
    if (loopbackOnly && host !== undefined && !LOOPBACK.test(host)) {
      const message = `Here, system routes answer on localhost only, not on ${JSON.stringify(host.slice(0, 200))}.`
      throw new TappetError('TPT_FORBIDDEN', message)
    }
    if (!CHANGES_NOTHING.includes(request.method) && !isOwnPage(request))
      throw new TappetError('TPT_FORBIDDEN', 'Pages of other origins may not change anything here.')
  })
}

function isSystem({ url, routeOptions }: FastifyRequest): boolean {
  return [url, routeOptions.url].some((path) => path?.startsWith('/_tappet') || path?.startsWith('/metrics'))
}

/** Programs send neither header. The scheme is not compared: a proxy may have ended TLS. */
function isOwnPage({ headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  const { origin, host } = headers
  if (origin === undefined) return true
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase()
}
