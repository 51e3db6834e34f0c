import { TappetError } from '../../errors.ts'

/** Longest key, in bytes of UTF-8. */
export const MAX_KEY_BYTES = 512

/** Controls, line separators, what turns the reading direction, and what stands for bytes that were no text. */
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffd]/u
const MAX_FILENAME = 255

/**
 * The key that a sender means, in Unicode's normal form C: segments between slashes. A key names a file, it is never a
 * path: the storage has names of its own.
 *
 * @throws TappetError TPT_EVENT_INVALID that says which rule it breaks.
 */
export function toKey(text: string): string {
  const key = text.normalize('NFC')
  const broken = brokenRule(key)
  if (broken === null) return key
  const got = JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)
  const message = `The key must ${broken}, got ${got}.`
  throw new TappetError('TPT_EVENT_INVALID', message, { issues: [{ path: '/data/key', message }] })
}

/** The key in a URL's path after `prefix`, percent-decoded once. */
export function keyFromUrl(url: string, prefix: string): string {
  const [path = ''] = url.split('?', 1)
  try {
    return toKey(decodeURIComponent(path.slice(prefix.length)))
  } catch (error) {
    if (error instanceof URIError) return toKey('\ufffd')
    throw error
  }
}

/** A key as it stands in a URL. */
export function keyToUrl(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/')
}

/** The sender's name for the file, without folders and without what could mislead a reader; null if nothing is left. */
export function toFilename(text: string | null | undefined): string | null {
  const name = (text ?? '').slice(0, 4_096).split(/[/\\]/).at(-1) ?? ''
  const clean = name.replaceAll(new RegExp(FORBIDDEN, 'gu'), '').normalize('NFC').trim()
  return clean === '' ? null : Array.from(clean).slice(0, MAX_FILENAME).join('')
}

function brokenRule(key: string): string | null {
  const bytes = Buffer.byteLength(key)
  if (bytes === 0 || bytes > MAX_KEY_BYTES)
    return `have 1 to ${MAX_KEY_BYTES} bytes of UTF-8 (this one has ${bytes})`
  if (FORBIDDEN.test(key)) return 'be valid UTF-8 without control, bidirectional or replacement characters'
  if (key.includes('\\')) return 'have no backslash'
  if (key.split('/').some((segment) => ['', '.', '..'].includes(segment)))
    return 'not begin or end with a slash, nor have empty, `.` or `..` segments'
  return null
}
