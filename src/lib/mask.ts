/** Takes secrets out of what is written down or shown. */
export interface Mask {
  text(text: string): string
  /** The same for all text in a JSON value. */
  json<T>(value: T): T
}

/** A shorter value is a word that may stand anywhere: to mask it would tell what it is. */
export const MIN_SECRET_CHARS = 8

const AS_IT_IS: Mask = { text: (text) => text, json: (value) => value }

/** Puts the name of a secret in the place of its value, or of each line of it. `secrets`: values by name. */
export function createMask(secrets: Readonly<Record<string, string>>): Mask {
  const parts = Object.entries(secrets).flatMap(([name, value]) =>
    [...new Set([value, ...value.split(/\r?\n/)].map((part) => part.trim()))]
      .filter((part) => part.length >= MIN_SECRET_CHARS)
      .map((part) => ({ part, shown: `[secret ${name}]` })),
  )
  if (parts.length === 0) return AS_IT_IS
  // The longest first: one secret may be the beginning of another.
  parts.sort((a, b) => b.part.length - a.part.length)
  const replace = (text: string): string =>
    parts.reduce((masked, { part, shown }) => masked.replaceAll(part, () => shown), text)
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') return replace(value)
    if (Array.isArray(value)) return value.map(walk)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [replace(key), walk(item)]))
  }
  return { text: replace, json: <T>(value: T) => walk(value) as T }
}
