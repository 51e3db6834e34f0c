import { toPublicError } from '../../api/error-body.ts'
import type { HttpReply, HttpRequest } from '../../api/server.ts'
import type { Failure } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import type { WebRequest, WebResponse } from '../../runtime/runtime.ts'
import type { Subscription } from '../trigger.ts'
import type { HttpTrigger } from './declare.ts'
import type { HttpEvent } from './event.ts'
import { normalize } from './normalize.ts'
import { readSigned } from './receive.ts'
import type { Found } from './router.ts'
import { toWebRequest } from './web-request.ts'
import { createResponding, type Responding } from './web-response.ts'

/** A request for a web handler, and the event that is written down of it: without its body, and with few of its headers. */
export interface Served {
  readonly subscription: Subscription<HttpTrigger>
  readonly runId: string
  readonly event: HttpEvent
  readonly request: WebRequest
  readonly response: WebResponse
}

/**
 * Lets a web handler answer. Resolves when its run is over; what became of it is told to `response`.
 *
 * @throws TappetError when it is refused before it began.
 */
export type Serve = (served: Served) => Promise<void>

export interface WebAnswers {
  answer(request: HttpRequest, reply: HttpReply, match: Found, nowMs: number): Promise<HttpReply>
  /** Closes what is still being answered after `graceMs`. */
  stop(graceMs: number): Promise<void>
}

/** Requests that functions answer themselves. Nothing is written down before: they are not tried again. */
export function createWebAnswers(serve: Serve): WebAnswers {
  const open = new Map<Promise<void>, () => void>()
  let stopping = false

  function respond({ raw }: HttpRequest, reply: HttpReply, runId: string, onOver: () => void): Responding {
    const out = reply.raw
    const onHead = (): [string, string][] => {
      reply.hijack()
      return [['tappet-run-id', runId], ...(stopping ? [['connection', 'close'] as [string, string]] : [])]
    }
    const responding = createResponding({ raw, out, onHead, onOver })
    open.set(responding.done, () => out.destroy())
    void responding.done.then(() => open.delete(responding.done))
    return responding
  }

  return {
    async answer(request, reply, { route, params }, nowMs) {
      const { subscription } = route
      const { trigger } = subscription
      const { raw } = request
      const body = await readSigned(request, { trigger, verifier: route.verifier }, nowMs)
      const runId = newId('run')
      const [gone, over] = [new AbortController(), new AbortController()]
      const { maxBytes } = trigger
      const options = { params, body, maxBytes, gone: gone.signal, over: over.signal }
      const webRequest = toWebRequest(raw, options)
      const event = eventOf(raw, trigger, params, nowMs)
      const responding = respond(request, reply, runId, () => over.abort())
      void responding.done.then(() => reply.raw.writableFinished || gone.abort())
      const { response, headed } = responding
      const refused = serve({ subscription, runId, event, request: webRequest, response }).then(() => headed)
      const failure = await Promise.race([headed, refused])
      if (failure !== null) throw refusal(failure, runId, reply)
      return reply
    },
    async stop(graceMs) {
      stopping = true
      const timer = setTimeout(() => open.forEach((close) => close()), graceMs)
      await Promise.all(open.keys())
      clearTimeout(timer)
    },
  }
}

function eventOf(
  { method, url = '/', headers }: HttpRequest['raw'],
  trigger: Subscription<HttpTrigger>['trigger'],
  params: Found['params'],
  nowMs: number,
): HttpEvent {
  const content = { data: null, encoding: 'none' } as const
  return normalize(trigger, { method, url, params, headers, content }, { id: newId('msg'), nowMs })
}

function refusal(failure: Failure, runId: string, reply: HttpReply): Error {
  reply.header('tappet-run-id', runId)
  return toPublicError(failure, runId)
}
