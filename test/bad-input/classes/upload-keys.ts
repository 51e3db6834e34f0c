/** The rules for keys of files as the documentation tells them, once more and in other words. */
export function isKey(text: string): boolean {
  const key = keyOf(text)
  const bytes = Buffer.byteLength(key)
  if (bytes < 1 || bytes > 512) return false
  for (const char of key) if (isForbidden(char.codePointAt(0) ?? 0)) return false
  return key.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
}

export function keyOf(text: string): string {
  return text.normalize('NFC')
}

const RANGES: readonly (readonly [number, number])[] = [
  [0x00, 0x1f],
  [0x5c, 0x5c],
  [0x7f, 0x9f],
  [0x61c, 0x61c],
  [0x200e, 0x200f],
  [0x2028, 0x2029],
  [0x202a, 0x202e],
  [0x2066, 0x2069],
  [0xd800, 0xdfff],
  [0xfeff, 0xfeff],
  [0xfffd, 0xfffd],
]

function isForbidden(code: number): boolean {
  return RANGES.some(([from, to]) => code >= from && code <= to)
}
