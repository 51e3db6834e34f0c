import { type Failure, TappetError, toFailure } from '../../errors.ts'
import { endOf, settle } from '../attempt.ts'
import { decodeJson, encodeJson, FRAME, type Frame } from '../frames.ts'
import type { Conversation, WebInstance } from '../instance.ts'
import { meterOf } from '../meter.ts'
import type { Meter, Settled, WebCall } from '../runtime.ts'
import type { ServeHeader, ServePayload } from '../runner/web-streams.ts'
import { createInflow, createOutflow, type Inflow, type Outflow } from './flow.ts'
import { readHead } from './head.ts'

/**
 * Lets the web handler in an instance answer a request. Both bodies go over the instance's socket as they are read at their
 * other end: no more than a window of each is ever held here.
 */
export async function serveIn(
  instance: WebInstance,
  call: WebCall,
  signal: AbortSignal,
  onMeter?: (meter: Meter) => void,
): Promise<Settled> {
  const startedAt = performance.now()
  const exchange = openExchange(instance, call)
  const { talk, sent } = exchange
  const ending = await endOf(talk, instance, signal)
  const durationMs = performance.now() - startedAt
  const meter = meterOf(ending, { durationMs, cold: talk.cold, bytesIn: sent.request })
  onMeter?.({ ...meter, bytesOut: sent.response })
  const settled = await settle(ending, instance, signal)
  exchange.over(settled)
  return settled
}

interface Exchange {
  readonly talk: Conversation
  /** Bytes of both bodies so far. */
  readonly sent: { request: number; response: number }
  /** The call has ended: what has not come of the response will not come. */
  over(settled: Settled): void
}

function openExchange(instance: WebInstance, { request, response, runId, trace }: WebCall): Exchange {
  const { method, url, headers, params, body, gone } = request
  const sent = { request: 0, response: 0 }
  const upload = createOutflow((piece) => {
    sent.request += piece.length
    talk.send(FRAME.requestChunk, {}, piece)
  })
  const download = createInflow((bytes) => talk.send(FRAME.responseCredit, { bytes }))
  let ended = false
  const end = (failure: Failure | null): void => {
    ended = true
    download.end(failure)
  }
  const listen = (frame: Frame): void => {
    if (frame.type === FRAME.head) tellHead(frame)
    else if (frame.type === FRAME.responseChunk) {
      sent.response += frame.payload.length
      download.push(frame.payload)
    } else if (frame.type === FRAME.responseEnd) end(readEnd(frame, instance))
    else if (frame.type === FRAME.requestCredit) readCredit(frame, upload)
  }
  const tellHead = (frame: Frame): void => {
    const head = readHead(frame)
    if (head) response.head(head.status, head.headers)
    else end(toFailure(new TappetError('TPT_RESULT_INVALID', 'the function returned a malformed response')))
  }
  const header: ServeHeader = {
    ...{ runId, attempt: 1, maxAttempts: 1, trace },
    ...{ method, url, hasBody: body !== null },
  }
  const payload: ServePayload = { headers, params }
  const talk = instance.converse(header, encodeJson(payload), listen)
  const onGone = (): void => {
    talk.send(FRAME.gone)
    download.cancel()
  }
  if (gone.aborted) onGone()
  else gone.addEventListener('abort', onGone, { once: true })
  if (body) void passUp(body, upload, talk)
  void passDown(download, response)
  return {
    ...{ talk, sent },
    over(settled) {
      gone.removeEventListener('abort', onGone)
      upload.stop()
      // At once: who reads slowly must not hold up a response that breaks off.
      if (!ended) response.fail(settled.ok ? noResponse() : settled.failure)
      download.end(null)
    },
  }
}

async function passUp(
  body: NonNullable<WebCall['request']['body']>,
  upload: Outflow,
  talk: Conversation,
): Promise<void> {
  try {
    await body(upload.send)
    talk.send(FRAME.requestEnd, { ok: true })
  } catch (error) {
    talk.send(FRAME.requestEnd, { ok: false }, encodeJson(toFailure(error)))
  }
}

async function passDown(download: Inflow, response: WebCall['response']): Promise<void> {
  try {
    for (let piece = await download.next(); piece !== null; piece = await download.next())
      await response.write(piece)
    response.end()
  } catch (error) {
    response.fail(toFailure(error))
  }
}

/** Null for a response that is whole. */
function readEnd({ header, payload }: Frame, { mask }: WebInstance): Failure | null {
  return header.ok === true ? null : mask.json(decodeJson(payload) as Failure)
}

function readCredit({ header }: Frame, upload: Outflow): void {
  const { bytes, stop } = header
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0)
    throw new RangeError(`a credit must be a number of bytes, got ${String(bytes)}`)
  if (stop === true) upload.stop()
  else upload.credit(bytes)
}

function noResponse(): Failure {
  return toFailure(new TappetError('TPT_RESULT_INVALID', 'the function ended without a response'))
}
