import { toFailure } from '../../errors.ts'
import { endOf, settle } from '../attempt.ts'
import { encodeJson, FRAME, type Frame } from '../frames.ts'
import type { Conversation, WebInstance } from '../instance.ts'
import { meterOf } from '../meter.ts'
import type { Meter, ReadBody, Settled, WebCall } from '../runtime.ts'
import type { ServeHeader, ServePayload } from '../runner/web-streams.ts'
import { openDownload } from './download.ts'
import { createOutflow, type Outflow } from './flow.ts'

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
  const { talk, bytes, over } = openExchange(instance, call)
  const ending = await endOf(talk, instance, signal)
  const durationMs = performance.now() - startedAt
  const { bytesIn, bytesOut } = bytes()
  onMeter?.({ ...meterOf(ending, { durationMs, cold: talk.cold, bytesIn }), bytesOut })
  const settled = await settle(ending, instance, signal)
  over(settled)
  return settled
}

interface Exchange {
  readonly talk: Conversation
  /** Of both bodies so far. */
  bytes(): Pick<Meter, 'bytesIn' | 'bytesOut'>
  /** The call has ended. */
  over(settled: Settled): void
}

function openExchange(instance: WebInstance, { request, response, runId, trace }: WebCall): Exchange {
  const { method, url, headers, params, body, gone } = request
  let bytesIn = 0
  const upload = createOutflow((piece) => {
    bytesIn += piece.length
    talk.send(FRAME.requestChunk, {}, piece)
  })
  const download = openDownload(response, instance.mask, (bytes) =>
    talk.send(FRAME.responseCredit, { bytes }),
  )
  const listen = (frame: Frame): void =>
    frame.type === FRAME.requestCredit ? readCredit(frame, upload) : download.take(frame)
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
  if (body) void passOn(body, upload, talk)
  return {
    talk,
    bytes: () => ({ bytesIn, bytesOut: download.bytes() }),
    over(settled) {
      gone.removeEventListener('abort', onGone)
      upload.stop()
      download.over(settled)
    },
  }
}

async function passOn(body: ReadBody, upload: Outflow, talk: Conversation): Promise<void> {
  try {
    await body(upload.send)
    talk.send(FRAME.requestEnd, { ok: true })
  } catch (error) {
    talk.send(FRAME.requestEnd, { ok: false }, encodeJson(toFailure(error)))
  }
}

/** @throws RangeError for what is none. Not to be trusted: user code has been running where it comes from. */
function readCredit({ header }: Frame, upload: Outflow): void {
  const { bytes, stop } = header
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0)
    throw new RangeError(`a credit must be a number of bytes, got ${String(bytes)}`)
  if (stop === true) upload.stop()
  else upload.credit(bytes)
}
