/**
 * A value from JSON that Postgres wrote. Numbers that a JavaScript number cannot hold (`bigint` beyond 2^53, long
 * `numeric`) become text, digit for digit; all others stay numbers.
 */
export function parseLossless(json: string): unknown {
  return JSON.parse(MAY_LOSE.test(json) ? quoteLossy(json) : json)
}

/** Up to 15 digits with a small exponent always survive. Matches inside strings too: only then is the text read. */
const MAY_LOSE = /\d[\d.]{15}|\d[eE][+-]?\d{3}/
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const QUOTE = 0x22
const BACKSLASH = 0x5c
const MINUS = 0x2d
const ZERO = 0x30
const NINE = 0x39

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
  for (let at = start + 1; at < json.length; at++) {
    const char = json.charCodeAt(at)
    if (char === QUOTE) return at
    if (char === BACKSLASH) at++
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
