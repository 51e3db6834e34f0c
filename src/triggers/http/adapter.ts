import type { HttpReply, HttpRequest, HttpServer } from '../../api/server.ts'
import { TappetError } from '../../errors.ts'
import type { Envelope } from '../../events/envelope.ts'
import type { Logger } from '../../lib/log.ts'
import type { Accepted, AwaitRun, Emit, Subscription, TriggerAdapter, TriggerProblem } from '../trigger.ts'
import type { HttpTrigger } from './declare.ts'
import { receive } from './receive.ts'
import { checkSame } from './reused-key.ts'
import { sendAccepted, sendEnd, sendError } from './respond.ts'
import { buildRouter, type Match, type Route } from './router.ts'
import type { SecretOf } from './verify.ts'
import { createWaiting } from './waiting.ts'
import { createWebAnswers, type Serve } from './web.ts'

export interface HttpAdapterDeps {
  /** Not listening yet: the adapter adds its route to it. Whoever made it listens and closes it. */
  readonly server: HttpServer
  readonly awaitRun: AwaitRun
  /** An event as it is stored, by its id in the ledger; null when it is not kept any more. */
  readonly findEvent: (eventId: string) => Promise<Envelope | null>
  /** Lets a web handler answer a request. Default: there are none. */
  readonly serve?: Serve
  /** The value of an environment variable. */
  readonly secret: SecretOf
  /** By the database's clock. */
  readonly nowMs: () => number | Promise<number>
  readonly logger: Logger
  /** How long callers who wait may go on waiting after `stop`. Default 5 s. */
  readonly stopGraceMs?: number
}

/**
 * Turns requests into events. One route on the server catches what no other takes; the declared routes are looked up
 * in a table that `update` replaces as a whole, so no request sees half of it.
 *
 * A request goes: route → body → signature over its bytes → content → event → `emit` → answer. It is acknowledged
 * only after `emit` has resolved. A caller who goes away does not stop the run. Where the function is a web handler, the
 * request goes to it at once instead, and what it answers is the answer.
 */
export function createHttpAdapter(deps: HttpAdapterDeps): TriggerAdapter<HttpTrigger> {
  const { server, secret, findEvent, nowMs, logger, stopGraceMs = 5_000 } = deps
  const waiting = createWaiting(deps.awaitRun, logger)
  const web = createWebAnswers(deps.serve ?? (() => Promise.reject(refusal('new'))))
  const emitting = new Set<Promise<Accepted>>()
  let state: 'new' | 'open' | 'stopped' = 'new'
  let emit: Emit = () => Promise.reject(refusal('new'))
  let { router, problems } = buildRouter([], secret)

  server.all('*', { config: { scope: 'public' } }, async (request, reply) => {
    if (state !== 'open') throw refusal(state)
    const match = router.find(request.method, request.raw.url ?? '/')
    if (match.kind !== 'found') return refuseRoute(match, request, reply)
    if (match.route.verifier === 'unset') return refuseUnset(reply)
    if (match.route.subscription.trigger.web) return web.answer(request, reply, match, await nowMs())
    const received = await receive(request, match, await nowMs())
    if (received.kind === 'challenge') return reply.type('text/plain').send(received.text)
    if (state !== 'open') throw refusal(state)
    const { event, aliases, byKey } = received
    const accepted = await track(emit(event, [match.route.subscription], { aliases }))
    if (byKey && accepted.duplicate) await checkSame(event, accepted.eventId, findEvent)
    return answer(reply, match.route, accepted)
  })

  async function track(accepting: Promise<Accepted>): Promise<Accepted> {
    emitting.add(accepting)
    try {
      return await accepting
    } finally {
      emitting.delete(accepting)
    }
  }

  async function answer(reply: HttpReply, route: Route, accepted: Accepted): Promise<HttpReply> {
    const [runId] = accepted.runIds
    if (accepted.duplicate) reply.header('tappet-duplicate', 'true')
    if (runId === undefined) return sendAccepted(reply, accepted)
    reply.header('tappet-run-id', runId)
    const { duplicate } = accepted
    const end = route.waitMs === null ? null : await waiting.until(runId, route.waitMs, { duplicate })
    return end === null ? sendAccepted(reply, accepted, runId) : sendEnd(reply, runId, end)
  }

  function replaceRoutes(subscriptions: readonly Subscription<HttpTrigger>[]): void {
    ;({ router, problems } = buildRouter(subscriptions, secret))
    for (const { functionId, label, message } of problems) logger.warn({ functionId, label }, message)
  }

  return {
    kind: 'http',
    async start(subscriptions, to) {
      replaceRoutes(subscriptions)
      emit = to
      state = 'open'
      waiting.begin()
    },
    async update(subscriptions) {
      replaceRoutes(subscriptions)
    },
    problems: (): readonly TriggerProblem[] => problems,
    async stop() {
      state = 'stopped'
      waiting.end(stopGraceMs)
      await Promise.allSettled([...emitting, web.stop(stopGraceMs)])
    },
  }
}

function refusal(state: 'new' | 'stopped'): TappetError {
  if (state === 'stopped') return new TappetError('TPT_SHUTDOWN', 'This process is stopping.')
  return new TappetError('TPT_UNAVAILABLE', 'This process is starting.')
}

function refuseRoute(
  match: Exclude<Match, { kind: 'found' }>,
  request: HttpRequest,
  reply: HttpReply,
): never {
  const asked = `${request.method} ${request.url.slice(0, 200)}`
  if (match.kind === 'method') {
    const allow = match.allow.join(', ')
    reply.header('allow', allow)
    throw new TappetError('TPT_METHOD_NOT_ALLOWED', `This route takes ${allow}, got ${asked}.`)
  }
  const near = match.near === null ? '' : ` Did you mean ${match.near}?`
  throw new TappetError('TPT_ROUTE_NOT_FOUND', `There is no route for ${asked}.${near}`)
}

/** Never open: a route whose secret is missing lets nobody in. Senders try again later. */
function refuseUnset(reply: HttpReply): HttpReply {
  const message = 'This route cannot verify requests: its secret is not set.'
  return sendError(reply, new TappetError('TPT_CONFIG_INVALID', message), 503)
}
