import type { Context } from '../../define/context.ts'
import type { WebFetch } from '../../define/define-web-handler.ts'
import { toFailure } from '../../errors.ts'
import type { Answer } from '../handler/call.ts'
import { serveRequest } from '../handler/web.ts'
import type { WebCall, WebResponse } from '../runtime.ts'
import { createInflow, createOutflow } from './flow.ts'
import { readableOf } from './readable.ts'

/** Answers a request in this process, as a runner does in its own. */
export function serveInline(
  fetch: WebFetch,
  ctx: Context,
  { request, response }: Pick<WebCall, 'request' | 'response'>,
): Promise<Answer> {
  const { body, gone } = request
  return serveRequest({
    ...{ fetch, head: request, ctx, gone },
    body: body && streamOf(body),
    sink: sinkOf(response, gone),
  })
}

function streamOf(body: NonNullable<WebCall['request']['body']>): ReadableStream<Uint8Array> {
  const inflow = createInflow((bytes) => outflow.credit(bytes))
  const outflow = createOutflow((piece) => inflow.push(piece))
  body(outflow.send).then(
    () => inflow.end(null),
    (error: unknown) => inflow.end(toFailure(error)),
  )
  return readableOf(inflow, outflow.stop)
}

function sinkOf(response: WebResponse, gone: AbortSignal): Parameters<typeof serveRequest>[0]['sink'] {
  return {
    head: response.head,
    async send(bytes) {
      await response.write(Buffer.from(bytes))
      return !gone.aborted
    },
    // Nothing can be given up here.
    stop: () => undefined,
    end: (failure) => (failure ? response.fail(failure) : response.end()),
  }
}
