import { createHash } from 'node:crypto'
import type { Subscription } from '../trigger.ts'
import type { CronTrigger } from './declare.ts'
import type { CronEvent } from './event.ts'

/** Names what decides about the ticks: the same expression in the same zone has the same ticks. */
export function specOf({ expression, timezone }: Pick<CronTrigger, 'expression' | 'timezone'>): string {
  return createHash('sha256').update(`${expression}\u001f${timezone}`).digest('hex').slice(0, 16)
}

export function scheduleId({ functionId, index }: Pick<Subscription, 'functionId' | 'index'>): string {
  return `${functionId}#${index}`
}

/** Every process that sees the tick makes the same source and id of it: the ledger keeps one. */
export function toEvent(
  { functionId, index, trigger }: Subscription<CronTrigger>,
  tick: Date,
  previous: Date | null,
): CronEvent {
  const scheduledAt = tick.toISOString()
  return {
    specversion: '1.0',
    id: `${specOf(trigger)}:${scheduledAt}`,
    source: `/cron/${functionId}/${index}`,
    type: 'cron.tick',
    time: scheduledAt,
    data: { scheduledAt, previousAt: previous?.toISOString() ?? null },
  }
}
