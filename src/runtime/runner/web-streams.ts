import { type Failure, TappetError, toFailure } from '../../errors.ts'
import { decodeJson, encodeJson, FRAME, type Frame } from '../frames.ts'
import { failureOf } from '../handler/failure.ts'
import type { RequestHead, ResponseSink } from '../handler/web.ts'
import type { Invocation } from '../runtime.ts'
import { createInflow, createOutflow } from '../web/flow.ts'
import { readableOf } from '../web/readable.ts'
import type { Channel } from './channel.ts'
import { shortenStack } from './stack.ts'

/** Of SERVE. */
export interface ServeHeader extends Pick<Invocation, 'runId' | 'attempt' | 'maxAttempts' | 'trace'> {
  readonly method: string
  readonly url: string
  readonly hasBody: boolean
}

export type ServePayload = Pick<RequestHead, 'headers' | 'params'>

/** What goes on between the broker and a request that is being answered here. */
export interface WebStreams {
  readonly head: RequestHead
  readonly body: ReadableStream<Uint8Array> | null
  readonly gone: AbortSignal
  readonly sink: ResponseSink
  /** A frame for it. */
  take(frame: Frame): void
  /** It is answered: nothing is sent or read any more. */
  close(): void
}

export function openStreams({ id, header, payload }: Frame, channel: Channel): WebStreams {
  const { method, url, hasBody } = header as unknown as ServeHeader
  const gone = new AbortController()
  let open = true
  const send = (type: number, fields: object, bytes?: Buffer): void => {
    if (open) channel.send(type, id, fields, bytes)
  }
  const request = createInflow((bytes) => send(FRAME.requestCredit, { bytes }))
  const response = createOutflow((piece) => send(FRAME.responseChunk, {}, piece))
  const onCancel = (): void => {
    request.cancel()
    send(FRAME.requestCredit, { bytes: 0, stop: true })
  }
  const leave = (): void => {
    request.end(toFailure(new TappetError('TPT_REQUEST_INVALID', 'the caller has gone')))
    response.stop()
    gone.abort()
  }
  return {
    head: { method, url, ...(decodeJson(payload) as ServePayload) },
    body: hasBody ? readableOf(request, onCancel) : null,
    gone: gone.signal,
    sink: {
      head: (status, headers) => send(FRAME.head, { status }, encodeJson(headers)),
      send: response.send,
      stop: response.stop,
      end: (failure) =>
        send(
          FRAME.responseEnd,
          { ok: failure === null },
          failure ? encodeJson(shortenStack(failure)) : undefined,
        ),
    },
    take({ type, header: fields, payload: bytes }) {
      if (type === FRAME.requestChunk) request.push(bytes)
      else if (type === FRAME.requestEnd)
        request.end(fields.ok === true ? null : (decodeJson(bytes) as Failure))
      else if (type === FRAME.responseCredit) response.credit(Number(fields.bytes))
      else if (type === FRAME.gone) leave()
    },
    close() {
      open = false
      response.stop()
      request.end(failureOf(new Error('the call is over')))
    },
  }
}
