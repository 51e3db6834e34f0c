/** A key pattern, ready to be asked. Takes time in proportion to key × pattern, whatever strangers name their files. */
export interface KeyPattern {
  /** What the `:names` stand for in this key; null if the pattern does not take it. */
  match(key: string): Readonly<Record<string, string>> | null
}

type Segment =
  | { readonly kind: 'param'; readonly name: string }
  | { readonly kind: 'glob'; readonly parts: readonly string[] }

const PARAM = /^:([A-Za-z_]\w{0,63})$/
const MAX_PATTERN_BYTES = 512
const FORBIDDEN = /[\p{Cc}\p{Cs}\\]/u

/**
 * Reads a pattern: `:name` for one segment, `*` for anything within a segment, `**` as the last segment for one or more
 * segments. Everything else stands for itself.
 *
 * @throws RangeError that says what was expected and what came.
 */
export function compilePattern(pattern: string): KeyPattern {
  const texts = pattern.normalize('NFC').split('/')
  const open = texts.at(-1) === '**'
  if (open) texts.pop()
  if (Buffer.byteLength(pattern) > MAX_PATTERN_BYTES)
    throw invalid(pattern, `be at most ${MAX_PATTERN_BYTES} bytes`)
  if (FORBIDDEN.test(pattern)) throw invalid(pattern, 'have no control characters and no backslash')
  const segments = texts.map((text) => compileSegment(text, pattern))
  const names = segments.flatMap((segment) => (segment.kind === 'param' ? [segment.name] : []))
  if (new Set(names).size < names.length) throw invalid(pattern, 'name each parameter once')
  return {
    match(key) {
      const values = key.split('/')
      if (open ? values.length <= segments.length : values.length !== segments.length) return null
      const params: [string, string][] = []
      for (const [i, segment] of segments.entries()) {
        const value = values[i] ?? ''
        if (segment.kind === 'param') params.push([segment.name, value])
        else if (!matchesGlob(value, segment.parts)) return null
      }
      return Object.fromEntries(params)
    },
  }
}

function compileSegment(text: string, pattern: string): Segment {
  if (text === '' || text === '.' || text === '..')
    throw invalid(pattern, 'have no empty, `.` or `..` segments')
  if (text.includes('**')) throw invalid(pattern, 'have `**` only as its last segment')
  const name = PARAM.exec(text)?.[1]
  if (name !== undefined) return { kind: 'param', name }
  if (text.startsWith(':')) throw invalid(pattern, 'name parameters like `:userId`')
  return { kind: 'glob', parts: text.split('*') }
}

function invalid(pattern: string, expected: string): RangeError {
  return new RangeError(`must ${expected}, got ${JSON.stringify(pattern.slice(0, 200))}`)
}

/** `parts` are what stands between the stars. The leftmost place for each is always as good as any other. */
function matchesGlob(value: string, parts: readonly string[]): boolean {
  const [prefix = '', ...rest] = parts
  const suffix = rest.pop()
  if (suffix === undefined) return value === prefix
  if (!value.startsWith(prefix)) return false
  let at = prefix.length
  for (const part of rest) {
    const found = value.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return value.length - suffix.length >= at && value.endsWith(suffix)
}
