import type { Readable } from 'node:stream'

export interface LineReader {
  /** Of all lines, the one that says most about an end; null for none. */
  mostTelling(): string | null
  readonly ended: Promise<void>
}

const MAX_LINE_CHARS = 16_384
const WINDOW_MS = 1_000
const MAX_LINES_PER_WINDOW = 100

/** Reads a stream by lines, so many a second; the rest is read, and counted. */
export function createLineReader(stream: Readable, onLines: (lines: readonly string[]) => void): LineReader {
  let rest = ''
  let telling: string | null = null
  const allow = createAllowance()
  const take = (lines: readonly string[]): void => {
    const clipped = lines.filter((line) => line !== '').map((line) => line.slice(0, MAX_LINE_CHARS))
    for (const line of clipped) telling = moreTelling(telling, line)
    const passed = allow(clipped)
    if (passed.length > 0) onLines(passed)
  }
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = (lines.pop() ?? '').slice(0, MAX_LINE_CHARS)
    take(lines)
  })
  stream.on('error', () => undefined)
  stream.on('end', () => take([rest]))
  return {
    mostTelling: () => telling,
    ended: new Promise((resolve) => stream.once('close', () => resolve())),
  }
}

/** V8 and C++ say what is wrong first, and then where, at length; some of it between lines of `#`. */
const TELLING = /FATAL ERROR|^Fatal |bad_alloc/

function moreTelling(before: string | null, line: string): string | null {
  const said = line.replace(/^#\s*/, '').slice(0, 500)
  return said === '' || (before !== null && TELLING.test(before)) ? before : said
}

function createAllowance(): (lines: readonly string[]) => readonly string[] {
  let windowStart = 0
  let seen = 0
  return (lines) => {
    const nowMs = performance.now()
    const dropped = seen - MAX_LINES_PER_WINDOW
    const isNext = nowMs - windowStart > WINDOW_MS
    if (isNext) {
      windowStart = nowMs
      seen = 0
    }
    const passed = lines.slice(0, Math.max(0, MAX_LINES_PER_WINDOW - seen))
    seen += lines.length
    return isNext && dropped > 0 ? [`(${dropped} lines of output dropped)`, ...passed] : passed
  }
}
