import type { Condition, Notice, OpenAlert } from './alert.ts'

/** What a round changes: alerts by what becomes of them, and what is told. */
export interface Changes {
  readonly opened: readonly (Condition & { readonly id: string })[]
  /** They still hold. */
  readonly seen: readonly Condition[]
  readonly closed: readonly OpenAlert[]
}

/** An alert is over when its condition has not held for `quietMs`: one that comes and goes is told once. */
export function decide(
  open: readonly OpenAlert[],
  conditions: readonly Condition[],
  { quietMs, makeId }: { readonly quietMs: number; readonly makeId: () => string },
): Changes {
  const known = new Set(open.map(keyOf))
  const holding = new Set(conditions.map(keyOf))
  return {
    opened: conditions.filter((one) => !known.has(keyOf(one))).map((one) => ({ ...one, id: makeId() })),
    seen: conditions.filter((one) => known.has(keyOf(one))),
    closed: open.filter((one) => !holding.has(keyOf(one)) && one.quietMs >= quietMs),
  }
}

/** What is to be told of the changes. */
export function noticesOf({ opened, closed }: Changes, nowMs: number): readonly Notice[] {
  const timestamp = new Date(nowMs).toISOString()
  return [
    ...opened.map(({ id, kind, subject, message }): Notice => {
      return { type: 'alert.firing', timestamp, data: { id, kind, subject, message, since: timestamp } }
    }),
    ...closed.map(({ id, kind, subject, message, since }): Notice => {
      return { type: 'alert.resolved', timestamp, data: { id, kind, subject, message, since } }
    }),
  ]
}

/** 10 s after the first failure, twice as long after each further one, 10 minutes at most. */
export function retryDelayMs(attempts: number): number {
  return Math.min(10_000 * 2 ** Math.max(0, attempts - 1), 600_000)
}

function keyOf({ kind, subject }: Condition): string {
  return `${kind} ${subject}`
}
