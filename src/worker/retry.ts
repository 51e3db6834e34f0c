import { type Failure, TappetError, toFailure } from '../errors.ts'
import type { ResolvedRetry, Settled } from '../runtime/runtime.ts'
import { endsProcess } from '../store/run-state.ts'
import type { Claim, Outcome } from '../store/store.ts'

/** How often a run's worker or process may be lost under it before it is a dead letter. */
export const MAX_LOSSES = 10

/** How often a run may end its process, with nobody else in it, before it is a dead letter. */
export const MAX_CRASHES = 3

/** What stopped the attempt from outside: it was not the function's fault, so it costs no attempt. */
const NOT_ITS_FAULT = ['TPT_SHUTDOWN', 'TPT_LEASE_LOST', 'TPT_INSTANCE_LOST']

/** What to do about an attempt, given how it ended. Pure: the caller brings the dice, 0 ≤ `random` < 1. */
export function decide(settled: Settled, claim: Claim, retry: ResolvedRetry, random: number): Outcome {
  if (settled.ok) return { kind: 'completed', result: settled.result }

  const { failure, lost } = settled
  if (lost || NOT_ITS_FAULT.includes(failure.code ?? '')) return releaseOrGiveUp(failure, claim)
  if (endsProcess(failure.code) && claim.crashes + 1 >= MAX_CRASHES) return { kind: 'dead', failure }
  if (!failure.retryable || claim.attempt >= claim.maxAttempts) return { kind: 'dead', failure }
  return {
    kind: 'retry',
    failure,
    delayMs: failure.retryAfterMs ?? backoffMs(claim.attempt, retry, random),
  }
}

/** Exponential, capped, with a random share taken off. Milliseconds. */
export function backoffMs(
  attempt: number,
  { delayMs, factor, maxDelayMs, jitter }: ResolvedRetry,
  random: number,
): number {
  // No wait at all times infinity would not be a number.
  const growth = Math.min(factor ** (attempt - 1), Number.MAX_VALUE)
  const full = Math.min(delayMs * growth, maxDelayMs)
  return Math.round(full * (1 - jitter * random))
}

function releaseOrGiveUp(failure: Failure, { losses }: Claim): Outcome {
  if (failure.code === 'TPT_SHUTDOWN' || losses + 1 < MAX_LOSSES) return { kind: 'released', failure }
  const message = `its process was lost ${losses + 1} times while this run was on it; last: ${failure.message}`
  return { kind: 'dead', failure: toFailure(new TappetError('TPT_RUN_LOST_TOO_OFTEN', message)) }
}
