import type { Duration } from '../../lib/duration.ts'
import type { Trigger } from '../trigger.ts'
import type { CronEvent } from './event.ts'

export interface CronTrigger extends Trigger<CronEvent> {
  readonly kind: 'cron'
  readonly expression: string
  readonly timezone: string
  readonly catchUp: 'skip' | 'latest' | 'all'
  readonly catchUpWindow: Duration
  readonly overlap: 'allow' | 'skip' | 'queue'
  readonly jitter: Duration
}

export interface CronOptions {
  /** IANA name. Default `UTC`. */
  readonly timezone?: string
  /** Ticks missed while nobody was running: none, the last, or all of them. Default `latest`. */
  readonly catchUp?: 'skip' | 'latest' | 'all'
  /** How far back missed ticks are looked for, at most 100 of them. Default `1h`. */
  readonly catchUpWindow?: Duration
  /**
   * A tick while the run of an earlier one is not over: start beside it, leave the tick out, or wait for it.
   * Default `allow`.
   */
  readonly overlap?: 'allow' | 'skip' | 'queue'
  /** Start up to this much later, by chance. Default `0s`. */
  readonly jitter?: Duration
}

/** Runs a function at the times of a cron expression of 5 or 6 fields: `cron('0 3 * * *', { timezone: 'Europe/Berlin' })`. */
export function cron(expression: string, options: CronOptions = {}): CronTrigger {
  const timezone = options.timezone ?? 'UTC'
  return {
    kind: 'cron',
    label: `${expression} ${timezone}`,
    expression,
    timezone,
    catchUp: options.catchUp ?? 'latest',
    catchUpWindow: options.catchUpWindow ?? '1h',
    overlap: options.overlap ?? 'allow',
    jitter: options.jitter ?? '0s',
    oneAtATime: options.overlap === 'queue',
    schemas: {},
  }
}
