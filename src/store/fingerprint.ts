import { createHash } from 'node:crypto'
import type { Failure } from '../errors.ts'

/** Quoted text, and words with a digit in them: ids, numbers, times. */
const VARYING = /"[^"]*"|'[^']*'|`[^`]*`|\b[\w-]*\d[\w-]*\b/g

/** A failure's message without what differs from run to run. */
export function normalMessage({ message }: Pick<Failure, 'message'>): string {
  return message.replaceAll(VARYING, '…').slice(0, 200)
}

/**
 * The same for failures of one kind: by code or name, message without what varies, and the topmost frame without its
 * line, so that a change elsewhere in the file does not make an old error a new one.
 */
export function fingerprintOf(failure: Failure): string {
  const frame = /^\s*at (.+)$/m.exec(failure.stack ?? '')?.[1] ?? ''
  const place = frame.replaceAll(/:\d+(?=[:)]|$)/g, '').replaceAll(/-[0-9a-f]{12}(?=\.[cm]js)/g, '')
  const parts = [failure.code ?? failure.name, normalMessage(failure), place]
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16)
}
