import type { WebContext, WebFetch } from '../../define/define-web-handler.ts'
import type { Context } from '../../define/context.ts'
import { type Failure, TappetError } from '../../errors.ts'
import type { HeaderList, WebRequest } from '../runtime.ts'
import type { Answer } from './call.ts'
import { failureOf } from './failure.ts'
import { isResponse } from './result.ts'

/** A request as it reaches the function's process: its body comes apart from it. */
export type RequestHead = Pick<WebRequest, 'method' | 'url' | 'headers' | 'params'>

/** Where the response goes from a function's process. */
export interface ResponseSink {
  head(status: number, headers: HeaderList): void
  /** Resolves when there is room for more: true, or false when nobody wants more. */
  send(bytes: Uint8Array): Promise<boolean>
  /** Nobody wants more: `send` waits no longer. */
  stop(): void
  /** It is whole, or there will be no more of it. */
  end(failure: Failure | null): void
}

export interface ServeOptions {
  readonly fetch: WebFetch
  readonly head: RequestHead
  /** Null for none. */
  readonly body: ReadableStream<Uint8Array> | null
  readonly ctx: Context
  /** Aborts when nobody waits for the response any more. */
  readonly gone: AbortSignal
  readonly sink: ResponseSink
}

const WITHOUT_BODY: readonly number[] = [204, 205, 304]

/**
 * Lets a web handler answer a request, passes its response on, and waits for what it has left to `waitUntil`. Never rejects.
 * That the caller has gone is no failure: nobody is there to be told of one.
 */
export async function serveRequest(options: ServeOptions): Promise<Answer> {
  const { head, ctx: given, gone, sink } = options
  const { ctx, settled } = withWaitUntil(given, head.params)
  let answer: Answer
  try {
    const status = await respond(options, ctx)
    sink.end(null)
    answer = resultOf(status, gone)
  } catch (error) {
    // What it throws because of the timeout is the timeout's doing.
    const failure = failureOf(ctx.signal.aborted ? ctx.signal.reason : error)
    sink.end(failure)
    answer = gone.aborted && !ctx.signal.aborted ? resultOf(null, gone) : { ok: false, failure }
  }
  await settled()
  return answer
}

/** The status that it answered with. */
async function respond({ fetch, head, body, gone, sink }: ServeOptions, ctx: WebContext): Promise<number> {
  const { method, url, headers } = head
  const signal = AbortSignal.any([gone, ctx.signal])
  const request = new Request(url, {
    ...{ method, headers: headers as [string, string][], signal },
    ...(body && { body, duplex: 'half' }),
  })
  const response: unknown = await fetch(request, ctx.env, ctx)
  ctx.signal.throwIfAborted()
  checkResponse(response)
  const { status } = response
  sink.head(status, [...response.headers])
  if (method === 'HEAD' || WITHOUT_BODY.includes(status)) await response.body?.cancel()
  else if (response.body) await passOn(response.body as ReadableStream<unknown>, sink, signal)
  // A timeout lets go of the body, too; that the caller has gone is told by `gone`.
  ctx.signal.throwIfAborted()
  return status
}

/** Reads the body as fast as it is wanted, and lets go of it when nobody wants it any more. */
async function passOn(body: ReadableStream<unknown>, sink: ResponseSink, signal: AbortSignal): Promise<void> {
  const reader = body.getReader()
  const letGo = (): void => {
    // Who reads slowly may never make room again.
    sink.stop()
    reader.cancel(signal.reason).catch(() => undefined)
  }
  // Not a race for each piece: what it has lost would be kept until the signal is gone.
  signal.addEventListener('abort', letGo, { once: true })
  if (signal.aborted) letGo()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      if (!(value instanceof Uint8Array)) throw invalid(` with a body of bytes, got one of ${nameOf(value)}`)
      if (!(await sink.send(value))) return
    }
  } finally {
    signal.removeEventListener('abort', letGo)
    reader.cancel(signal.reason).catch(() => undefined)
  }
}

function checkResponse(response: unknown): asserts response is Response {
  if (!isResponse(response)) throw invalid(`, got ${nameOf(response)}`)
  if (response.status < 200) throw invalid(` with a status from 200 to 599, got ${response.status}`)
  if (response.bodyUsed || response.body?.locked === true)
    throw invalid(' with a body that nobody has read, got one that is read already')
}

function invalid(what: string): TappetError {
  return new TappetError('TPT_RESULT_INVALID', `a web handler must return a Response${what}`)
}

function nameOf(value: unknown): string {
  return value === null || value === undefined ? String(value) : Object.prototype.toString.call(value)
}

function resultOf(status: number | null, gone: AbortSignal): Answer {
  const result = gone.aborted ? { status, gone: true } : { status }
  return { ok: true, json: Buffer.from(JSON.stringify(result)) }
}

export interface Waiting {
  readonly ctx: WebContext
  /** When nothing is left to wait for, also of what was added while it waited. */
  settled(): Promise<void>
}

/** The context of a web handler: it waits for what `waitUntil` was given, whatever becomes of it. */
export function withWaitUntil(given: Context, params: WebContext['params']): Waiting {
  const open = new Set<Promise<void>>()
  const follow = async (work: unknown): Promise<void> => {
    try {
      await work
    } catch (error) {
      const { message, stack } = failureOf(error)
      given.log.error(`ctx.waitUntil: ${stack ?? message}`)
    }
  }
  // Not spread: reading `db` would open connections.
  const ctx = Object.assign(given, {
    params,
    waitUntil(work: unknown) {
      const following = follow(work).finally(() => open.delete(following))
      open.add(following)
    },
  })
  return {
    ctx,
    async settled() {
      while (open.size > 0) await Promise.all(open)
    },
  }
}
