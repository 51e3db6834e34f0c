import type { Logger } from '../lib/log.ts'
import type { LogLine } from './runtime.ts'

/** Passes lines on to the log of the broker. */
export function createOutputLog(logger: Logger, functionId: string): (line: string) => void {
  return (line) => logger.info({ function: functionId }, line)
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
