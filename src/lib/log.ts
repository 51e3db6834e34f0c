import { pino } from 'pino'

/** Fields first, message second. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Logger
}

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly format: 'json' | 'pretty'
}

/** What must never be printed, wherever it stands in the fields. */
const SECRETS = ['authorization', 'cookie', 'password', 'secret', 'token', 'url', 'connectionString']

/** The process's log, on stderr: JSON lines, or readable ones. */
export function createLogger({ level, format }: LogOptions): Logger {
  const redact = {
    paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
    censor: '[redacted]',
  }
  const base = { level, redact, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  if (format === 'json') return pino(base, pino.destination({ dest: 2, sync: true }))
  const target = {
    target: 'pino-pretty',
    options: { destination: 2, ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l' },
  }
  return pino({ ...base, transport: target })
}

/** Keeps nothing. For tests and one-shot commands. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
}
