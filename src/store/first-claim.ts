import type { Envelope } from '../events/envelope.ts'
import type { Claim, NewRun } from './store.ts'

/** What a worker holds of a run that was started as it was made. */
export function firstClaim(run: NewRun, event: Envelope): Claim {
  const { id: runId, functionId, maxAttempts, trigger } = run
  return {
    ...{ runId, functionId, maxAttempts, trigger, event },
    ...{ lease: 1, attempt: 1, losses: 0, crashes: 0, order: null },
  }
}
