import { format } from 'node:util'
import type { RunLog } from '../handler/log-line.ts'
import type { LogLevel } from '../runtime.ts'

/** What a run has written to stdout and stderr since its last line break. */
interface Rest {
  info: string
  error: string
}

const MAX_REST_CHARS = 65_536

export interface Output {
  /** Writes out what a run left without a line break. */
  flush(log: RunLog): void
}

/**
 * Turns the console, stdout and stderr into lines of the run that writes. What no run can be told for goes where it
 * would have gone.
 */
export function captureOutput(currentLog: () => RunLog | undefined): Output {
  const rests = new WeakMap<RunLog, Rest>()
  captureConsole(currentLog)
  captureStream(process.stdout, 'info')
  captureStream(process.stderr, 'error')

  function captureStream(stream: NodeJS.WriteStream, level: keyof Rest): void {
    const write = stream.write.bind(stream) as (...args: unknown[]) => boolean
    const capture = (chunk: Uint8Array | string, ...rest: unknown[]): boolean => {
      const log = currentLog()
      if (!log) return write(chunk, ...rest)
      const [encoding] = rest
      const text = typeof chunk === 'string' ? decode(chunk, encoding) : Buffer.from(chunk).toString()
      append(log, level, text)
      const done = rest.findLast((arg) => typeof arg === 'function') as (() => void) | undefined
      if (done) process.nextTick(done)
      return true
    }
    stream.write = capture
  }

  function append(log: RunLog, level: keyof Rest, text: string): void {
    const rest = rests.get(log) ?? { info: '', error: '' }
    rests.set(log, rest)
    const lines = (rest[level] + text).split('\n')
    const last = lines.pop() ?? ''
    for (const line of lines) log.write(level, line, null)
    rest[level] = last.length > MAX_REST_CHARS ? '' : last
    if (last.length > MAX_REST_CHARS) log.write(level, last, null)
  }

  return {
    flush(log) {
      const rest = rests.get(log)
      rests.delete(log)
      if (rest?.info) log.write('info', rest.info, null)
      if (rest?.error) log.write('error', rest.error, null)
    },
  }
}

const CONSOLE_LEVELS: Readonly<Record<'debug' | 'log' | 'info' | 'warn' | 'error', LogLevel>> = {
  debug: 'debug',
  log: 'info',
  info: 'info',
  warn: 'warn',
  error: 'error',
}

/** One call is one line, however many line breaks are in it. */
function captureConsole(currentLog: () => RunLog | undefined): void {
  for (const [method, level] of Object.entries(CONSOLE_LEVELS) as [keyof typeof CONSOLE_LEVELS, LogLevel][]) {
    const original = console[method].bind(console)
    console[method] = (...args: unknown[]) => {
      const log = currentLog()
      if (log) log.write(level, format(...args), null)
      else original(...args)
    }
  }
}

function decode(text: string, encoding: unknown): string {
  return encoding === 'hex' || encoding === 'base64' || encoding === 'base64url'
    ? Buffer.from(text, encoding).toString()
    : text
}
