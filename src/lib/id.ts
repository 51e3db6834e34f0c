import { randomFillSync } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** Of the 16 random characters, those that count up within a millisecond. */
const COUNTING_CHARS = 6
const OWN_CHARS = 10

let lastMs = 0
let lastCount: number[] = []

/**
 * A new id: the prefix, `_`, and a ULID (10 characters of time, 16 of randomness, Crockford base 32).
 * Ids made by one process sort in the order in which they were made. One does not give away another of the same
 * millisecond: 50 bits of each are its own, because who knows a run's id may read how it went.
 */
export function newId(
  prefix: 'evt' | 'run' | 'file' | 'wrk' | 'msg' | 'key' | 'aud' | 'bulk' | 'alr',
  nowMs = Date.now(),
): string {
  if (nowMs > lastMs) {
    lastMs = nowMs
    lastCount = Array.from({ length: COUNTING_CHARS }, randomDigit)
  } else {
    increment(lastCount)
  }
  let text = `${prefix}_${encodeTime(lastMs)}`
  for (const digit of lastCount) text += ALPHABET[digit]
  for (let i = 0; i < OWN_CHARS; i++) text += ALPHABET[randomDigit()]
  return text
}

/** Where ids of this instant begin in the order of all. */
export function idAt(prefix: 'evt' | 'run', ms: number): string {
  return `${prefix}_${encodeTime(Math.min(Math.max(0, ms), 2 ** 48 - 1))}`
}

/** Drawn in stock: by the piece, it would cost six times as much as all the rest. */
const stock = new Uint8Array(4_096)
let drawn = stock.length

function randomDigit(): number {
  if (drawn === stock.length) {
    randomFillSync(stock)
    drawn = 0
  }
  return (stock[drawn++] ?? 0) & 31
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
