import { formatMs } from '../../lib/duration.ts'
import type { Logger } from '../../lib/log.ts'
import { firstLine, type Paint, printable } from '../text.ts'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
type Level = (typeof LEVELS)[number]
type Fields = Readonly<Record<string, unknown>>

export interface DevLoggerOptions {
  readonly write: (line: string) => void
  readonly paint: Paint
  readonly level: Level | 'silent'
  readonly now?: () => Date
}

/** One short line for each attempt that ended, and for whatever else a person in front of a terminal should see. */
export function createDevLogger({ write, paint, level, now = () => new Date() }: DevLoggerOptions): Logger {
  const least = level === 'silent' ? LEVELS.length : LEVELS.indexOf(level)
  const logger = (bound: Fields): Logger => {
    const log = (at: Level) => (fields: object, message: string) => {
      if (LEVELS.indexOf(at) < least) return
      const all = { ...bound, ...fields }
      const text = isAttempt(all) ? attemptText(all, message, paint) : otherText(at, all, message, paint)
      write(`  ${paint.dim(now().toTimeString().slice(0, 8))}  ${text}`)
    }
    return {
      ...{ debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
      child: (fields) => logger({ ...bound, ...fields }),
    }
  }
  return logger({})
}

interface Attempt {
  readonly run: string
  readonly function: string
  /** `1/5` */
  readonly attempt: string
  readonly ms: number
  readonly error?: string
  readonly retryInMs?: number
}

function isAttempt(fields: Fields): fields is Fields & Attempt {
  return typeof fields.run === 'string' && typeof fields.attempt === 'string' && typeof fields.ms === 'number'
}

function attemptText(fields: Attempt, message: string, { green, red, yellow, dim }: Paint): string {
  const { run, function: functionId, attempt, ms, error, retryInMs } = fields
  const completed = message === 'run completed'
  const mark = completed ? green('✔') : message === 'run is dead' ? red('✖') : yellow('✖')
  const end = message === 'run is dead' ? red('dead letter') : completed ? '' : message
  const next = retryInMs === undefined ? end : `retry in ${formatMs(retryInMs)}`
  const parts = [
    functionId,
    dim(run),
    `${mark} attempt ${attempt}`,
    formatMs(ms),
    error && firstLine(error, 120),
    next,
  ]
  return parts.filter((part) => part !== undefined && part !== '').join('  ')
}

function otherText(level: Level, fields: Fields, message: string, { red, yellow, dim }: Paint): string {
  const mark = level === 'error' ? red('error ') : level === 'warn' ? yellow('warn ') : ''
  const more = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : describe(value)}`)
  return `${mark}${printable(message)}${more.length > 0 ? `  ${dim(firstLine(more.join(' '), 200))}` : ''}`
}

function describe(value: unknown): string {
  return value instanceof Error ? value.message : (JSON.stringify(value) ?? '')
}
