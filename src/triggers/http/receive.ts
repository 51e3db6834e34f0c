import { readBody } from '../../api/body.ts'
import type { HttpRequest } from '../../api/server.ts'
import { TappetError } from '../../errors.ts'
import type { Declared } from '../trigger.ts'
import { DEFAULT_BODY_BYTES } from './check.ts'
import type { HttpTrigger } from './declare.ts'
import type { HttpEvent } from './event.ts'
import { identify } from './identity.ts'
import { normalize, readContent } from './normalize.ts'
import type { Found, Route } from './router.ts'
import { signsBody, type Verifier } from './verify.ts'

export type Received =
  | {
      readonly kind: 'event'
      readonly event: HttpEvent
      readonly aliases: readonly string[]
      /** Its id is the sender's `Idempotency-Key`. */
      readonly byKey: boolean
    }
  /** Slack asks whether we are there; it wants this text back and nothing to run. */
  | { readonly kind: 'challenge'; readonly text: string }

/** Body → signature over its bytes → content → event. Nothing is parsed before the signature holds. */
export async function receive(
  request: HttpRequest,
  { route, params }: Found,
  nowMs: number,
): Promise<Received> {
  const { trigger } = route.subscription
  const { headers } = request.raw
  if (trigger.verify && signsBody(trigger.verify)) refuseEncoded(headers['content-encoding'])
  const body = await readBody(request, trigger.maxBytes ?? DEFAULT_BODY_BYTES)
  if (route.verifier !== null) checkSignature(route.verifier, headers, body, nowMs)

  const content = readContent(headers['content-type'], body)
  const scheme = trigger.verify?.scheme ?? null
  const challenge = scheme === 'slack' ? challengeOf(content.data) : null
  if (challenge !== null) return { kind: 'challenge', text: challenge }

  const { id, aliases, byKey } = identify({ scheme, headers, body, data: content.data })
  const { method, url = '/' } = request.raw
  const event = normalize(trigger, { method, url, params, headers, content }, { id, nowMs })
  return { kind: 'event', event, aliases, byKey }
}

/** The body, if what is signed is in it; null if it need not be read to know who has sent it. Else as in {@link receive}. */
export async function readSigned(
  request: HttpRequest,
  {
    trigger: { verify, maxBytes },
    verifier,
  }: { readonly trigger: Declared<HttpTrigger>; readonly verifier: Route['verifier'] },
  nowMs: number,
): Promise<Buffer | null> {
  if (verify === null || verifier === null) return null
  const { headers } = request.raw
  if (!signsBody(verify)) {
    checkSignature(verifier, headers, Buffer.alloc(0), nowMs)
    return null
  }
  refuseEncoded(headers['content-encoding'])
  const body = await readBody(request, maxBytes ?? DEFAULT_BODY_BYTES)
  checkSignature(verifier, headers, body, nowMs)
  return body
}

/** What is signed is what travels; to decompress before checking would be work for strangers. */
function refuseEncoded(encoding: string | undefined): void {
  if (encoding === undefined || encoding.trim().toLowerCase() === 'identity') return
  throw new TappetError('TPT_CONTENT_TYPE', 'A signed body must come without Content-Encoding.')
}

/** One refusal for every cause: it must not tell which part was wrong. */
function checkSignature(verifier: Verifier | 'unset', headers: Headers, body: Buffer, nowMs: number): void {
  if (verifier !== 'unset' && verifier(headers, body, nowMs)) return
  throw new TappetError('TPT_SIGNATURE_INVALID', 'The request is not signed by who it should come from.')
}

type Headers = HttpRequest['raw']['headers']

function challengeOf(data: unknown): string | null {
  if (typeof data !== 'object' || data === null) return null
  const { type, challenge } = data as { readonly type?: unknown; readonly challenge?: unknown }
  return type === 'url_verification' && typeof challenge === 'string' ? challenge : null
}
