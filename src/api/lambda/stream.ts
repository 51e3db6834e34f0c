import { EventStreamCodec } from '@smithy/eventstream-codec'
import type { Ended } from './invoke.ts'

const codec = new EventStreamCodec(
  (bytes) =>
    Buffer.from(typeof bytes === 'string' ? bytes : Buffer.from(bytes as Uint8Array)).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
)
/** Of one frame's payload. */
const CHUNK_BYTES = 65_536

/** The frames of `InvokeWithResponseStream`: the payload in pieces, then how it ended. */
export function* responseFrames({ payload, functionError, logResult }: Ended): Generator<Uint8Array> {
  const bytes = Buffer.from(functionError === null ? payload : '')
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES)
    yield frame('PayloadChunk', 'application/octet-stream', bytes.subarray(at, at + CHUNK_BYTES))
  const complete = {
    ...(functionError !== null && { ErrorCode: functionError, ErrorDetails: payload }),
    ...(logResult !== null && { LogResult: logResult }),
  }
  yield frame('InvokeComplete', 'application/json', Buffer.from(JSON.stringify(complete)))
}

function frame(type: string, contentType: string, body: Uint8Array): Uint8Array {
  const text = (value: string) => ({ type: 'string' as const, value })
  const headers = {
    ':message-type': text('event'),
    ':event-type': text(type),
    ':content-type': text(contentType),
  }
  return codec.encode({ headers, body })
}
