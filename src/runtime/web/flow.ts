import { type Failure } from '../../errors.ts'
import { toError } from '../handler/failure.ts'

/** How much of a body may be under way to the other side, in bytes: what it has not said that it has used. */
export const WINDOW_BYTES = 262_144
/** Most of a body in one frame. */
export const CHUNK_BYTES = 65_536
/** Whoever has used so much says so: less often than for each chunk, and long before the window is full. */
const CREDIT_BYTES = WINDOW_BYTES / 4

/** The end of a body that sends. Never has more than {@link WINDOW_BYTES} under way, but for a part of one chunk. */
export interface Outflow {
  /** Sends in pieces; resolves when there is room for more, true, or when nobody wants more, false. */
  send(bytes: Uint8Array): Promise<boolean>
  /** The other side has used so many bytes. */
  credit(bytes: number): void
  /** Nobody wants more. Idempotent. */
  stop(): void
}

export function createOutflow(emit: (piece: Buffer) => void): Outflow {
  let room = WINDOW_BYTES
  const stopping = new AbortController()
  const { signal } = stopping
  let wake = (): void => undefined
  const untilRoom = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve
    })
  return {
    async send(bytes) {
      for (let from = 0; from < bytes.length && !signal.aborted; from += CHUNK_BYTES) {
        const piece = bytes.subarray(from, from + CHUNK_BYTES)
        room -= piece.length
        emit(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength))
        if (room <= 0) await untilRoom()
      }
      return !signal.aborted
    },
    credit(bytes) {
      room += bytes
      if (room > 0) wake()
    },
    stop() {
      stopping.abort()
      wake()
    },
  }
}

/** The end of a body that takes it in, and gives it out as it is wanted. */
export interface Inflow {
  /** @throws RangeError when more comes than was asked for. */
  push(bytes: Buffer): void
  /** All of it has come; or it breaks off, and who reads is told why once the rest is read. */
  end(failure: Failure | null): void
  /** The next piece; null at the end. One call at a time. */
  next(): Promise<Buffer | null>
  /** What has not been read is dropped, and so is what still comes. */
  cancel(): void
}

/** `onUsed` is told how many bytes were read or dropped. */
export function createInflow(onUsed: (bytes: number) => void): Inflow {
  const pieces: Buffer[] = []
  let held = 0
  let used = 0
  let end: { readonly failure: Failure | null } | null = null
  let cancelled = false
  let wake = (): void => undefined
  const use = (bytes: number): void => {
    used += bytes
    if (used < CREDIT_BYTES) return
    onUsed(used)
    used = 0
  }
  return {
    push(bytes) {
      if (cancelled) return use(bytes.length)
      held += bytes.length
      if (held > WINDOW_BYTES + CHUNK_BYTES)
        throw new RangeError(`a body must wait for credit after ${WINDOW_BYTES} bytes, got ${held}`)
      pieces.push(bytes)
      wake()
    },
    end(failure) {
      end ??= { failure }
      wake()
    },
    async next() {
      if (pieces.length === 0 && end === null) await new Promise<void>((resolve) => (wake = resolve))
      const piece = pieces.shift()
      if (piece) {
        held -= piece.length
        use(piece.length)
        return piece
      }
      if (end?.failure) throw toError(end.failure)
      return null
    },
    cancel() {
      cancelled = true
      use(held)
      held = 0
      pieces.length = 0
      end ??= { failure: null }
      wake()
    },
  }
}
