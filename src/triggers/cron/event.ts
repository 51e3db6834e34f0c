import type { Envelope } from '../../events/envelope.ts'

export interface Tick {
  /** The instant that the schedule names, not the one at which the run started. RFC 3339. */
  readonly scheduledAt: string
  /** The tick before that made an event; null for the first. */
  readonly previousAt: string | null
}

export type CronEvent = Envelope<'cron.tick', Tick>
