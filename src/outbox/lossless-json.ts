import { MAX_JSON_DEPTH } from '../lib/json.ts'

/**
 * A value from JSON that Postgres wrote, which cannot be refused. What JavaScript cannot carry becomes text: numbers that
 * it would change (`bigint` beyond 2^53, long `numeric`), digit for digit; what is nested too deep to be written again.
 */
export function parseLossless(json: string): unknown {
  const shallow = json.length > 2 * MAX_JSON_DEPTH ? quoteDeep(json) : json
  return JSON.parse(MAY_LOSE.test(shallow) ? quoteLossy(shallow) : shallow)
}

/** Up to 15 digits with a small exponent always survive. Matches inside strings too: only then is the text read. */
const MAY_LOSE = /\d[\d.]{15}|\d[eE][+-]?\d{3}/
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const QUOTE = 0x22
const BACKSLASH = 0x5c
const MINUS = 0x2d
const ZERO = 0x30
const NINE = 0x39
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

function quoteDeep(json: string): string {
  const parts: string[] = []
  let copied = 0
  let depth = 0
  for (let at = 0; at < json.length; at++) {
    const char = json.charCodeAt(at)
    if (char === QUOTE) {
      at = endOfString(json, at)
    } else if (char === OPEN_ARRAY || char === OPEN_OBJECT) {
      depth++
      if (depth === MAX_JSON_DEPTH + 1) {
        parts.push(json.slice(copied, at))
        copied = at
      }
    } else if (char === CLOSE_ARRAY || char === CLOSE_OBJECT) {
      if (depth === MAX_JSON_DEPTH + 1) {
        parts.push(JSON.stringify(json.slice(copied, at + 1)))
        copied = at + 1
      }
      depth--
    }
  }
  return parts.join('') + json.slice(copied)
}

function quoteLossy(json: string): string {
  const parts: string[] = []
  let copied = 0
  for (let at = 0; at < json.length; at++) {
    const char = json.charCodeAt(at)
    if (char === QUOTE) {
      at = endOfString(json, at)
    } else if (char === MINUS || (char >= ZERO && char <= NINE)) {
      NUMBER.lastIndex = at
      const number = NUMBER.exec(json)?.[0] ?? ''
      if (!survives(number)) {
        parts.push(json.slice(copied, at), '"', number, '"')
        copied = at + number.length
      }
      at += Math.max(number.length, 1) - 1
    }
  }
  return parts.join('') + json.slice(copied)
}

/** Position of the quote that ends the string which begins at `start`. */
function endOfString(json: string, start: number): number {
  for (let at = json.indexOf('"', start + 1); at >= 0; at = json.indexOf('"', at + 1)) {
    let slashes = 0
    while (json.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes++
    if (slashes % 2 === 0) return at
  }
  return json.length
}

function survives(number: string): boolean {
  const value = Number(number)
  if (/^-?\d+$/.test(number)) return Number.isSafeInteger(value)
  return Number.isFinite(value) && canonical(number) === canonical(String(value))
}

/** The same text for the same decimal value: sign, digits without zeros at either end, exponent of ten. */
function canonical(number: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(number) ?? []
  const digits = (whole + fraction).replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  if (significant === '') return '0'
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}
