/**
 * What the broker and a runner say to each other on the socket between them (the runner's fd 3):
 *
 *     u32 length of the rest | u8 type | u32 id | u16 header length | header, JSON | payload, bytes
 *
 * The id joins a question and its answer. Payloads are passed on without being read where they can be.
 */
export interface Frame {
  readonly type: number
  readonly id: number
  readonly header: Readonly<Record<string, unknown>>
  readonly payload: Buffer
}

/** Broker → runner below 64, runner → broker from 64 on. */
export const FRAME = {
  /** Header: functionId, file, bundle, env, maxResultBytes. Payload: environment, databaseUrl. Answered by READY. */
  load: 1,
  /** Header: runId, attempt, maxAttempts, trigger, trace. Payload: the event. Answered by ANSWER. */
  invoke: 2,
  /** Header: trigger. Payload: the event. Answered by ANSWER. */
  admit: 3,
  /** Aborts the signal of the call `id`. Payload: the reason, a Failure. */
  cancel: 4,
  /** Answers CALL. Header: `ok`. Payload: what the call gives, or a Failure. */
  reply: 5,
  /** Answered by PONG as soon as the event loop comes round. */
  ping: 6,
  /** Header: bundle. Answered by ANSWER with a description. */
  describe: 7,
  /** Close what is open, then exit. */
  end: 8,
  /** Whether the environment is as `env` says. Answered by ANSWER with nothing, or a Failure. */
  checkEnv: 9,
  /**
   * A request for a web handler. Header: runId, attempt, maxAttempts, trace, method, url, hasBody. Payload: headers, params.
   * Answered by HEAD, RESPONSE_CHUNK and RESPONSE_END, and at last, when nothing of it is under way any more, by ANSWER.
   */
  serve: 10,
  /** Payload: more of the body of request `id`. Never more than was credited; see web/flow.ts. */
  requestChunk: 11,
  /** Header: `ok`. Payload: nothing, or the Failure for which the body breaks off. */
  requestEnd: 12,
  /** Header: `bytes` of the response that were used: so much more may come. */
  responseCredit: 13,
  /** Nobody waits for the response any more. */
  gone: 14,

  /** Header: `ok`. Payload: nothing, or a Failure. */
  ready: 64,
  /** Header: `ok`, and `use` of an invocation. Payload: the result, or a Failure. */
  answer: 65,
  /** Payload: one LogLine; without `runId` when no run can be told. */
  log: 66,
  /** A call to the host. Header: `method` and what it needs. */
  call: 67,
  pong: 68,
  /** Something was thrown outside of any handler: no further calls, please. */
  retire: 69,
  /** Header: status. Payload: headers of the response. */
  head: 70,
  /** Payload: more of the body of the response. Never more than was credited. */
  responseChunk: 71,
  /** Header: `ok`: whether the response was whole. */
  responseEnd: 72,
  /** Header: `bytes` of the request that were used; `stop` when no more is wanted. */
  requestCredit: 73,
} as const

/** Largest frame that the broker takes from a runner. What a broker sends is larger: it knows what it does. */
export const MAX_FRAME_BYTES = 16 * 1_048_576

const PREFIX_BYTES = 4
const HEAD_BYTES = 7
const MAX_HEADER_BYTES = 65_535
const EMPTY = Buffer.alloc(0)

/** @throws RangeError when the header is longer than 64 KiB. */
export function encodeFrame(type: number, id: number, header: object = {}, payload: Buffer = EMPTY): Buffer {
  const text = JSON.stringify(header)
  const headerBytes = Buffer.byteLength(text)
  if (headerBytes > MAX_HEADER_BYTES) {
    throw new RangeError(`a frame's header must be at most ${MAX_HEADER_BYTES} bytes, got ${headerBytes}`)
  }
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + HEAD_BYTES + headerBytes + payload.length)
  frame.writeUInt32LE(HEAD_BYTES + headerBytes + payload.length, 0)
  frame.writeUInt8(type, 4)
  frame.writeUInt32LE(id, 5)
  frame.writeUInt16LE(headerBytes, 9)
  frame.write(text, PREFIX_BYTES + HEAD_BYTES)
  payload.copy(frame, PREFIX_BYTES + HEAD_BYTES + headerBytes)
  return frame
}

/**
 * Takes the bytes of a socket as they come and gives whole frames to `onFrame`.
 *
 * The returned function throws RangeError or SyntaxError on what is no frame, or on one over `maxBytes`; nothing
 * more can be read from that socket then.
 */
export function createDecoder(onFrame: (frame: Frame) => void, maxBytes = Infinity): (chunk: Buffer) => void {
  let chunks: Buffer[] = []
  let have = 0
  let need = PREFIX_BYTES

  const readFrames = (): void => {
    let bytes = chunks.length === 1 ? (chunks[0] ?? EMPTY) : Buffer.concat(chunks, have)
    for (;;) {
      need = PREFIX_BYTES
      if (bytes.length < need) break
      const length = bytes.readUInt32LE(0)
      if (length < HEAD_BYTES || length > maxBytes) {
        throw new RangeError(`a frame must have ${HEAD_BYTES} to ${maxBytes} bytes, got ${length}`)
      }
      need = PREFIX_BYTES + length
      if (bytes.length < need) break
      const frame = decodeFrame(bytes.subarray(PREFIX_BYTES, need))
      bytes = bytes.subarray(need)
      onFrame(frame)
    }
    chunks = [bytes]
    have = bytes.length
  }

  return (chunk) => {
    chunks.push(chunk)
    have += chunk.length
    if (have >= need) readFrames()
  }
}

function decodeFrame(bytes: Buffer): Frame {
  const headerEnd = HEAD_BYTES + bytes.readUInt16LE(5)
  if (headerEnd > bytes.length) {
    throw new RangeError(`a header must end within its frame of ${bytes.length}, got ${headerEnd}`)
  }
  const header = JSON.parse(bytes.toString('utf8', HEAD_BYTES, headerEnd)) as Record<string, unknown>
  return { type: bytes.readUInt8(0), id: bytes.readUInt32LE(1), header, payload: bytes.subarray(headerEnd) }
}

export function encodeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** Null for no bytes. */
export function decodeJson(payload: Buffer): unknown {
  return payload.length === 0 ? null : (JSON.parse(payload.toString()) as unknown)
}

export interface FrameWriter {
  /** Joins what is sent in one turn of the event loop into one write. */
  send(type: number, id: number, header?: object, payload?: Buffer): void
  /** Writes before it returns, with all that waits. */
  sendNow(type: number, id: number, header?: object, payload?: Buffer): void
  flush(): void
}

export function createFrameWriter(write: (bytes: Buffer) => void): FrameWriter {
  let waiting: Buffer[] = []
  const flush = (): void => {
    if (waiting.length === 0) return
    write(waiting.length === 1 ? (waiting[0] ?? EMPTY) : Buffer.concat(waiting))
    waiting = []
  }
  return {
    send(...frame) {
      const bytes = encodeFrame(...frame)
      if (waiting.length === 0) process.nextTick(flush)
      waiting.push(bytes)
    },
    sendNow(...frame) {
      waiting.push(encodeFrame(...frame))
      flush()
    },
    flush,
  }
}
