import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { hasBody } from '../../api/body.ts'
import { TappetError } from '../../errors.ts'
import type { ReadBody, WebRequest } from '../../runtime/runtime.ts'
import { requestHeaders } from './web-headers.ts'

export interface RequestOptions {
  readonly params: WebRequest['params']
  /** What has been read of it already: all. */
  readonly body: Buffer | null
  readonly maxBytes: number | null
  readonly gone: AbortSignal
  /** Aborts when the body may not be read any more. */
  readonly over: AbortSignal
}

/**
 * A request as its function will see it.
 *
 * @throws TappetError TPT_REQUEST_INVALID when it cannot be one, TPT_EVENT_TOO_LARGE when it says so itself.
 */
export function toWebRequest(raw: IncomingMessage, options: RequestOptions): WebRequest {
  const { params, gone, maxBytes } = options
  const { method = 'GET' } = raw
  if (maxBytes !== null && Number(raw.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  const withBody = method !== 'GET' && method !== 'HEAD' && hasBody(raw)
  return {
    ...{ method, params: { ...params }, gone },
    url: urlOf(raw),
    headers: requestHeaders(raw.rawHeaders),
    body: withBody ? bodyOf(raw, options) : null,
  }
}

const HOST = /^[^\s/?#@\\]+$/

/** With the name that the caller used. Always `http`: whether a proxy has ended TLS, it says itself. */
function urlOf({ url = '/', headers: { host }, socket }: IncomingMessage): string {
  const target = url.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '')
  const base = `http://${host === undefined || host === '' ? addressOf(socket) : host}`
  const whole = `${base}${target.startsWith('/') ? '' : '/'}${target}`
  if ((host !== undefined && host !== '' && !HOST.test(host)) || !URL.canParse(whole))
    throw new TappetError('TPT_REQUEST_INVALID', 'Expected a Host header and a path that make a URL.')
  return whole
}

function addressOf({ localAddress = 'localhost', localPort }: Socket): string {
  return `${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`
}

function bodyOf(raw: IncomingMessage, { body, maxBytes, over }: RequestOptions): ReadBody {
  if (body !== null) return async (take) => void (await take(body))
  return (take) => read(raw, { maxBytes, over }, take)
}

/** A piece at a time: the next is read from the connection when the one before was taken. */
function read(
  raw: IncomingMessage,
  { maxBytes, over }: Pick<RequestOptions, 'maxBytes' | 'over'>,
  take: Parameters<ReadBody>[0],
): Promise<void> {
  let size = 0
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      raw.off('data', onData).off('end', onEnd).off('close', onClose)
      over.removeEventListener('abort', onOver)
      if (error === undefined) resolve()
      else reject(error)
    }
    const onData = (piece: Buffer): void => {
      raw.pause()
      size += piece.length
      if (maxBytes !== null && size > maxBytes) return settle(tooLarge(maxBytes))
      take(piece).then((more) => (more ? void raw.resume() : settle()), settle)
    }
    const onEnd = (): void => settle()
    const onClose = (): void =>
      settle(new TappetError('TPT_BODY_INVALID', 'The body ended before it was complete.'))
    const onOver = (): void =>
      settle(new TappetError('TPT_BODY_INVALID', 'The request ended with its response.'))
    if (over.aborted) return onOver()
    over.addEventListener('abort', onOver)
    raw.on('data', onData).once('end', onEnd).once('close', onClose)
    if (raw.destroyed && !raw.readableEnded) onClose()
  })
}

function tooLarge(maxBytes: number): TappetError {
  return new TappetError('TPT_EVENT_TOO_LARGE', `The body must be at most ${maxBytes} bytes, got more.`)
}
