import type { Readable } from 'node:stream'
import { TappetError } from '../../errors.ts'
import { withDeadline } from '../../lib/service.ts'

/** Slower senders are cut off, once they have used up `PATIENCE_MS` of waiting. */
const LOWEST_BYTES_PER_SECOND = 10_000
const PATIENCE_MS = 30_000

/**
 * A body as it arrives. Ending the iteration early leaves the stream open, so that an answer can still be sent.
 *
 * @throws TappetError TPT_BODY_INVALID when it breaks off, TPT_REQUEST_TIMEOUT when it comes slower than 10 kB/s: each
 *   sender may keep us waiting for 30 s, and earns time back with what it sends.
 */
export async function* arriving(stream: Readable, patienceMs = PATIENCE_MS): AsyncGenerator<Buffer> {
  const chunks = stream.iterator({ destroyOnReturn: false })
  let leftMs = patienceMs
  for (;;) {
    const before = performance.now()
    const next = await withDeadline(nextOf(chunks), leftMs, tooSlow)
    if (next.done) return
    const chunk = next.value as Buffer
    const earnedMs = (chunk.length / LOWEST_BYTES_PER_SECOND) * 1_000
    leftMs = Math.min(patienceMs, leftMs - (performance.now() - before) + earnedMs)
    yield chunk
  }
}

/** @throws TappetError TPT_EVENT_TOO_LARGE at the first byte beyond `maxBytes`. */
export async function* atMost(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  let left = maxBytes
  for await (const chunk of chunks) {
    left -= chunk.length
    if (left < 0) throw tooLarge(maxBytes)
    yield chunk
  }
}

export function tooLarge(maxBytes: number): TappetError {
  return new TappetError('TPT_EVENT_TOO_LARGE', `The file must be at most ${maxBytes} bytes, got more.`)
}

async function nextOf(chunks: AsyncIterator<unknown>): Promise<IteratorResult<unknown>> {
  try {
    return await chunks.next()
  } catch (cause) {
    throw new TappetError('TPT_BODY_INVALID', 'The body ended before it was complete.', { cause })
  }
}

function tooSlow(): TappetError {
  return new TappetError(
    'TPT_REQUEST_TIMEOUT',
    `The body came slower than ${LOWEST_BYTES_PER_SECOND} bytes a second.`,
  )
}
