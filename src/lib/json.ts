import { TappetError } from '../errors.ts'

/** How deep arrays and objects may stand in each other: what JSON.stringify and Postgres take with room to spare. */
export const MAX_JSON_DEPTH = 1_000

/**
 * A value from JSON that a stranger wrote: strict UTF-8 (a byte order mark is left out), limited depth. `__proto__` is
 * a property like any other in the result; whoever copies properties must keep it so.
 *
 * @throws TappetError TPT_BODY_INVALID
 */
export function parseJson(json: string | Uint8Array, maxDepth = MAX_JSON_DEPTH): unknown {
  const text = typeof json === 'string' ? json : decodeUtf8(json)
  if (text.trim() === '') throw new TappetError('TPT_BODY_INVALID', 'expected JSON, got nothing')
  checkDepth(text, maxDepth)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new TappetError('TPT_BODY_INVALID', `expected JSON, got: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/**
 * A byte order mark at the start is left out, unless `keepMark`: a name is not a file.
 *
 * @throws TappetError TPT_BODY_INVALID when the bytes are not UTF-8.
 */
export function decodeUtf8(bytes: Uint8Array, keepMark = false): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: keepMark }).decode(bytes)
  } catch (error) {
    throw new TappetError('TPT_BODY_INVALID', 'expected UTF-8, got bytes that are not', {
      cause: error,
    })
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN = new Set([0x5b, 0x7b])
const CLOSE = new Set([0x5d, 0x7d])

function checkDepth(text: string, maxDepth: number): void {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) {
      at = endOfString(text, at)
    } else if (OPEN.has(char) && ++depth > maxDepth) {
      throw new TappetError(
        'TPT_BODY_INVALID',
        `expected JSON at most ${maxDepth} deep, got more at position ${at}`,
      )
    } else if (CLOSE.has(char)) {
      depth--
    }
  }
}

/** Position of the quote that ends the string which begins at `start`; the text's end if there is none. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) return at
    if (char === BACKSLASH) at++
  }
  return text.length
}
