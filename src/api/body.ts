import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'

import type { FastifyRequest } from 'fastify'

import { TappetError } from '../errors.ts'

const DECODERS = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  br: promisify(brotliDecompress),
  deflate: promisify(inflate),
} as const

/**
 * The request's body as bytes, without its Content-Encoding. `maxBytes` bounds it both as it travels and decoded.
 *
 * @throws TappetError TPT_EVENT_TOO_LARGE, TPT_CONTENT_TYPE for an encoding that is not gzip, br or deflate,
 *   TPT_OVERLOADED when too many others are under way, TPT_BODY_INVALID when it ends early or does not decode, TPT_REQUEST_TIMEOUT after the server's time for a body.
 */
export async function readBody(request: FastifyRequest, maxBytes: number): Promise<Buffer> {
  const decode = decoder(request.headers['content-encoding'])
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > maxBytes) throw tooLarge(maxBytes)
  request.holdBytes(announced)
  const bytes = await collect(request.raw, maxBytes, request.server.requestTimeoutMs)
  request.holdBytes(bytes.length - announced)
  return decode === null || bytes.length === 0 ? bytes : decoded(decode, bytes, maxBytes)
}

/** Whether a request has one, by its headers. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** Reads and drops what is still to come of a body, up to `maxBytes` and for `ms`. Never rejects. */
export async function drain(raw: IncomingMessage, maxBytes: number, ms: number): Promise<void> {
  if (raw.complete || raw.destroyed) return
  let rest = maxBytes
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms)
    const stop = (): void => {
      clearTimeout(timer)
      resolve()
    }
    raw.on('data', (chunk: Buffer) => {
      rest -= chunk.length
      if (rest < 0) stop()
    })
    for (const event of ['end', 'close', 'error']) raw.once(event, stop)
    raw.resume()
  })
}

type Decode = (typeof DECODERS)['gzip'] | (typeof DECODERS)['br']

function decoder(header: string | undefined): Decode | null {
  const name = (header ?? '').trim().toLowerCase()
  if (name === '' || name === 'identity') return null
  if (Object.hasOwn(DECODERS, name)) return DECODERS[name as keyof typeof DECODERS]
  const got = JSON.stringify(name.slice(0, 100))
  throw new TappetError(
    'TPT_CONTENT_TYPE',
    `Content-Encoding must be gzip, br, deflate or identity, got ${got}.`,
  )
}

async function decoded(decode: Decode, bytes: Buffer, maxBytes: number): Promise<Buffer> {
  try {
    return await decode(bytes, { maxOutputLength: maxBytes })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes)
    throw new TappetError('TPT_BODY_INVALID', 'The body is not what its Content-Encoding says.', {
      cause: error,
    })
  }
}

/** Leaves the stream paused where it stopped: the server decides what becomes of the connection. */
function collect(raw: IncomingMessage, maxBytes: number, timeoutMs: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  return new Promise((resolve, reject) => {
    const settle = (error: TappetError | null): void => {
      clearTimeout(timer)
      raw.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
      raw.pause()
      if (error) return reject(error)
      resolve(Buffer.concat(chunks, size))
    }
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (size > maxBytes) return settle(tooLarge(maxBytes))
      chunks.push(chunk)
    }
    const onEnd = (): void => settle(null)
    const onClose = (): void =>
      settle(new TappetError('TPT_BODY_INVALID', 'The body ended before it was complete.'))
    const onTimeout = (): void =>
      settle(new TappetError('TPT_REQUEST_TIMEOUT', `The body did not arrive within ${timeoutMs} ms.`))
    const timer = setTimeout(onTimeout, timeoutMs)
    raw.on('data', onData).once('end', onEnd).once('close', onClose).once('error', onClose)
    if (raw.destroyed && !raw.readableEnded) onClose()
  })
}

function tooLarge(maxBytes: number): TappetError {
  return new TappetError('TPT_EVENT_TOO_LARGE', `The body must be at most ${maxBytes} bytes, got more.`)
}
