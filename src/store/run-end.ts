import type { RunEnd } from '../triggers/trigger.ts'
import type { Outcome } from './store.ts'

export const CANCELLED: RunEnd = { state: 'cancelled', result: null, failure: null }

/** How a run ends with this attempt; null: it goes on. */
export function endOf(outcome: Outcome): RunEnd | null {
  switch (outcome.kind) {
    case 'completed':
      return { state: 'completed', result: outcome.result ?? null, failure: null }
    case 'dead':
      return { state: 'dead', result: null, failure: outcome.failure }
    default:
      return null
  }
}
