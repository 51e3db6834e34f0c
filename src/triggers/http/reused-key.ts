import { isDeepStrictEqual } from 'node:util'
import { TappetError } from '../../errors.ts'
import type { Envelope } from '../../events/envelope.ts'
import type { HttpEvent } from './event.ts'

/**
 * Whether a request that came under a known `Idempotency-Key` is the one that came first: the same path, query and body.
 * To give it the other's answer would hide a mistake of its sender.
 *
 * @throws TappetError TPT_KEY_REUSED if it is another one.
 */
export async function checkSame(
  event: HttpEvent,
  eventId: string,
  findEvent: (eventId: string) => Promise<Envelope | null>,
): Promise<void> {
  const first = (await findEvent(eventId)) as HttpEvent | null
  if (first === null) return
  const differs = (['path', 'query'] as const).find(
    (name) => !isDeepStrictEqual(event.request[name], first.request[name]),
  )
  const what = differs ?? (isDeepStrictEqual(event.data, first.data) ? null : 'body')
  if (what === null) return
  throw new TappetError(
    'TPT_KEY_REUSED',
    `This Idempotency-Key came with another ${what} at first: expected the same request again.`,
  )
}
