import { randomBytes } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const RANDOM_CHARS = 16

let lastMs = 0
let lastRandom: number[] = []

/**
 * A new id: the prefix, `_`, and a ULID (10 characters of time, 16 of randomness, Crockford base 32).
 * Ids made by one process sort in the order in which they were made.
 */
export function newId(prefix: 'evt' | 'run' | 'file' | 'wrk' | 'up' | 'msg', nowMs = Date.now()): string {
  if (nowMs > lastMs) {
    lastMs = nowMs
    lastRandom = [...randomBytes(RANDOM_CHARS)].map((byte) => byte & 31)
  } else {
    increment(lastRandom)
  }
  return `${prefix}_${encodeTime(lastMs)}${lastRandom.map((digit) => ALPHABET[digit]).join('')}`
}

function encodeTime(ms: number): string {
  let text = ''
  for (let rest = ms, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) text = ALPHABET[rest % 32] + text
  return text
}

function increment(digits: number[]): void {
  for (let i = digits.length - 1; i >= 0; i--) {
    const next = ((digits[i] ?? 0) + 1) & 31
    digits[i] = next
    if (next !== 0) return
  }
}
