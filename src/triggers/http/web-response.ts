import type { IncomingMessage, ServerResponse } from 'node:http'
import { drain } from '../../api/body.ts'
import type { Failure } from '../../errors.ts'
import type { HeaderList, WebResponse } from '../../runtime/runtime.ts'
import { responseHeaders } from './web-headers.ts'

/** How long, and how much, of a body that nobody reads is taken, so that its sender sees the response. */
const LINGER_MS = 1_000
const LINGER_BYTES = 16 * 1_048_576

export interface Responding {
  readonly response: WebResponse
  /** Resolves when its head is on its way, null, or with why there is none. */
  readonly headed: Promise<Failure | null>
  /** Resolves when all is said, or the connection is closed. */
  readonly done: Promise<void>
}

export interface RespondingOptions {
  readonly raw: IncomingMessage
  readonly out: ServerResponse
  /** It is about to be written; gives further headers. */
  readonly onHead: () => HeaderList
  /** The body of the request may not be read any more. */
  readonly onOver: () => void
}

/**
 * Writes a response to its caller as it comes, no faster than it is read there. One that breaks off, or is not as long as it
 * says, closes the connection: nobody may take it for whole.
 */
export function createResponding({ raw, out, onHead, onOver }: RespondingOptions): Responding {
  let over = false
  let begun = false
  let length: number | null = null
  let sent = 0
  let wake = (): void => undefined
  const [headed, settleHead] = settling<Failure | null>()
  const [done, settleDone] = settling<void>()
  out.once('close', () => {
    over = true
    wake()
    settleHead(null)
    settleDone()
  })
  out.on('drain', () => wake())

  const breakOff = (): void => {
    over = true
    onOver()
    out.destroy()
  }
  const finish = async (): Promise<void> => {
    onOver()
    if (!raw.complete && !raw.destroyed) await drain(raw, LINGER_BYTES, LINGER_MS)
    raw.resume()
    const { socket } = raw
    out.end(() => void (raw.complete || socket.destroySoon()))
  }
  const response: WebResponse = {
    head(status, headers) {
      if (over || begun) return
      begun = true
      const own = responseHeaders(headers).filter(([name]) => !isLength(name) || !EMPTY.includes(status))
      out.statusCode = status
      for (const [name, value] of [...own, ...onHead()]) out.appendHeader(name, value)
      length = lengthOf(own, status, raw.method)
      // With the first bytes of the body, if there are any by then.
      setImmediate(() => over || out.headersSent || out.flushHeaders())
      settleHead(null)
    },
    async write(piece) {
      if (over) return
      sent += piece.length
      if (length !== null && sent > length) return breakOff()
      if (!out.write(piece)) await new Promise<void>((resolve) => (wake = resolve))
    },
    end() {
      if (over) return
      if (length !== null && sent < length) return breakOff()
      over = true
      void finish()
    },
    fail(failure) {
      if (over) return
      over = true
      settleHead(failure)
      onOver()
      if (begun) out.destroy()
    },
  }
  return { response, headed, done }
}

/** What it says of its length, where a body follows. */
function lengthOf(headers: HeaderList, status: number, method: string | undefined): number | null {
  const said = headers.find(([name]) => isLength(name))?.[1]
  if (said === undefined || method === 'HEAD' || status === 304) return null
  return Number(said)
}

/** These have no body, nor a length. */
const EMPTY: readonly number[] = [204, 205]

function isLength(name: string): boolean {
  return name.toLowerCase() === 'content-length'
}

function settling<T>(): [Promise<T>, (value: T) => void] {
  let settle: (value: T) => void = () => undefined
  const promise = new Promise<T>((resolve) => (settle = resolve))
  return [promise, settle]
}
