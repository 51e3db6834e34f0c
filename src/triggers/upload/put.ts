import type { IncomingHttpHeaders } from 'node:http'
import { TappetError } from '../../errors.ts'
import type { HttpReply, HttpRequest } from '../../api/server.ts'
import { newId } from '../../lib/id.ts'
import type { Intake } from './intake.ts'
import { keyFromUrl, keyToUrl } from './key.ts'
import { arriving, atMost } from './receive.ts'
import type { Draft, Storage } from './storage.ts'

export interface Receiver {
  readonly storage: Storage
  readonly intake: Intake
}

/** Where files go in and come out by key. */
export const UPLOADS_PATH = '/_tappet/uploads/'

/** `PUT /_tappet/uploads/<key>`: the body is the file, as long as it likes. */
export async function receivePut(
  request: HttpRequest,
  reply: HttpReply,
  { storage, intake }: Receiver,
): Promise<HttpReply> {
  const { headers } = request
  refuseParts(headers)
  const key = keyFromUrl(request.raw.url ?? '', UPLOADS_PATH)
  const length = headers['content-length'] === undefined ? null : Number(headers['content-length'])
  const expected = promisedSha256(headers)
  const maxBytes = intake.mostBytesOf(key, length)
  const draft = await storage.create(newId('file'), { key, filename: null, length, metadata: null })
  try {
    await draft.append(atMost(arriving(request.raw), maxBytes))
    if (expected !== null) await checkSha256(draft, expected)
    const receipt = await intake.store(draft, await intake.check(draft))
    return reply
      .code(201)
      .header('location', UPLOADS_PATH + keyToUrl(key))
      .send(receipt)
  } catch (error) {
    await draft.abort()
    throw error
  }
}

/** A part of a file would be taken for the whole, and a coding for the content. */
function refuseParts(headers: IncomingHttpHeaders): void {
  if (headers['content-range'] !== undefined)
    throw new TappetError(
      'TPT_REQUEST_INVALID',
      'PUT takes whole files, not a Content-Range: resume with tus instead.',
    )
  const coding = headers['content-encoding'] ?? 'identity'
  if (coding.trim().toLowerCase() !== 'identity')
    throw new TappetError(
      'TPT_CONTENT_TYPE',
      `The file must come without Content-Encoding, got ${JSON.stringify(coding)}.`,
    )
}

/** `Content-SHA256: <hex>`, or `Content-Digest: sha-256=:<base64>:` of RFC 9530; null if there is neither. */
function promisedSha256(headers: IncomingHttpHeaders): string | null {
  const hex = headers['content-sha256']
  if (hex !== undefined) {
    if (typeof hex === 'string' && /^[0-9a-f]{64}$/i.test(hex)) return hex.toLowerCase()
    throw new TappetError('TPT_REQUEST_INVALID', 'Content-SHA256 must be 64 hexadecimal digits.')
  }
  const digest = headers['content-digest'] ?? headers['repr-digest']
  const base64 =
    typeof digest === 'string' ? /(?:^|,\s*)sha-256=:([A-Za-z0-9+/]{43}=):/.exec(digest)?.[1] : undefined
  return base64 === undefined ? null : Buffer.from(base64, 'base64').toString('hex')
}

async function checkSha256(draft: Draft, expected: string): Promise<void> {
  const got = await draft.sha256()
  if (got === expected) return
  throw new TappetError('TPT_BODY_INVALID', `The file's sha256 must be ${expected} as promised, got ${got}.`)
}
