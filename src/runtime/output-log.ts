import type { Logger } from '../lib/log.ts'
import type { LogLine } from './runtime.ts'

const WINDOW_MS = 1_000
const MAX_LINES_PER_WINDOW = 100

/** Passes lines on to the log of the broker, so many a second; the rest is counted. */
export function createOutputLog(logger: Logger, functionId: string): (line: string) => void {
  let windowStart = 0
  let lines = 0
  return (line) => {
    const nowMs = performance.now()
    if (nowMs - windowStart > WINDOW_MS) {
      const dropped = lines - MAX_LINES_PER_WINDOW
      if (dropped > 0) logger.warn({ function: functionId, dropped }, 'lines of output dropped')
      windowStart = nowMs
      lines = 0
    }
    lines++
    if (lines <= MAX_LINES_PER_WINDOW) logger.info({ function: functionId }, line)
  }
}

/** Gives on together the lines that came together, before anything that came after them is acted on. */
export function joinLines(onLines: (lines: readonly LogLine[]) => void): (line: LogLine) => void {
  let waiting: LogLine[] = []
  const flush = (): void => {
    const lines = waiting
    waiting = []
    onLines(lines)
  }
  return (line) => {
    if (waiting.length === 0) process.nextTick(flush)
    waiting.push(line)
  }
}
