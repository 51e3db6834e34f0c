import { formatMs } from '../lib/duration.ts'
import type { Condition, Facts, Memory, Thresholds } from './alert.ts'

/** What is known of a schedule in this process. */
export interface Declared {
  /** Whether it has the schedule at all: one that was removed stays in the ledger for a week. */
  readonly known: (scheduleId: string) => boolean
  /** Whether ticks are left out on purpose while a run is under way. */
  readonly mayOverlap: (scheduleId: string) => boolean
}

/** Ticks are taken over from dead processes within seconds; a later one is missed. */
export const LATE_MS = 60_000

/** What is wrong, decided from what the ledger says. */
export function conditionsOf(
  facts: Facts,
  memory: Memory,
  { windowMs, failures, queueAgeMs }: Thresholds,
  declared: Declared,
): readonly Condition[] {
  const within = formatMs(windowMs)
  return [
    ...facts.functions
      .filter(({ failed, completed }) => failed >= failures && failed > completed)
      .map(({ functionId, failed, completed, lastError }) =>
        condition(
          'function.failing',
          functionId,
          `${functionId} keeps failing: ${failed} of ${failed + completed} runs within ${within}${because(lastError)}`,
        ),
      ),
    ...facts.dead.map(({ functionId, count, lastError }) =>
      condition(
        'dead_letters.new',
        functionId,
        `${functionId} has ${count} new dead ${count === 1 ? 'letter' : 'letters'} within ${within}${because(lastError)}`,
      ),
    ),
    ...facts.queues
      .filter(({ oldestMs }) => (oldestMs ?? 0) > queueAgeMs)
      .map(({ functionId, waiting, oldestMs }) =>
        condition(
          'queue.aging',
          functionId,
          `${functionId}: ${waiting} runs wait, the oldest for ${formatMs(oldestMs ?? 0)}`,
        ),
      ),
    ...missed(facts, memory, windowMs, declared),
  ]
}

function missed(facts: Facts, memory: Memory, windowMs: number, declared: Declared): Condition[] {
  return facts.schedules
    .filter(({ id }) => declared.known(id))
    .flatMap(({ id, functionId, expression, lateMs }) => {
      const name = `${functionId} (${expression})`
      if (lateMs !== null && lateMs > LATE_MS)
        return [condition('schedule.missed', id, `${name}: its tick is ${formatMs(lateMs)} late`)]
      const grewMs = declared.mayOverlap(id) ? (memory[id]?.grewMs ?? null) : null
      if (grewMs === null || facts.nowMs - grewMs > windowMs) return []
      return [
        condition('schedule.missed', id, `${name}: ticks were left out, because nobody was there in time`),
      ]
    })
}

/** What to remember for the next round. */
export function remember(memory: Memory, { schedules, nowMs }: Facts): Memory {
  return Object.fromEntries(
    schedules.map(({ id, skipped }) => {
      const before = memory[id]
      const grew = before !== undefined && skipped > before.skipped
      return [id, { skipped, grewMs: grew ? nowMs : (before?.grewMs ?? null) }]
    }),
  )
}

function condition(kind: Condition['kind'], subject: string, message: string): Condition {
  return { kind, subject, message }
}

const MAX_ERROR = 300

function because(error: string | null): string {
  return error === null ? '' : `: ${error.slice(0, MAX_ERROR)}`
}
