import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** A new secret of 256 bits, with a prefix by which scanners and people recognise it. */
export function newSecret(): string {
  return `tpt_${randomBytes(32).toString('base64url')}`
}

/** What may be kept and compared in place of a secret. */
export function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/**
 * Whether a digest is among others: all of them are looked at, whole, so that the time taken says nothing of how nearly
 * right it is. Secrets of any length are compared by their digests, which are of one.
 */
export function isAmong(digest: Buffer, known: Iterable<Buffer>): boolean {
  let found = false
  for (const one of known) found = timingSafeEqual(one, digest) || found
  return found
}
