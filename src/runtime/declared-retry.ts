import { toMs } from '../lib/duration.ts'
import type { ResolvedRetry } from './runtime.ts'

const DEFAULT_RETRY: ResolvedRetry = {
  attempts: 5,
  delayMs: 1_000,
  factor: 2,
  maxDelayMs: 300_000,
  jitter: 0.2,
}

/** A policy that has been checked, with every default filled in. */
export function resolveRetry(retry: Readonly<Record<string, unknown>>): ResolvedRetry {
  const { attempts, delay, factor, maxDelay, jitter } = retry as Readonly<Record<string, never>>
  return {
    attempts: attempts ?? DEFAULT_RETRY.attempts,
    delayMs: delay === undefined ? DEFAULT_RETRY.delayMs : toMs(delay),
    factor: factor ?? DEFAULT_RETRY.factor,
    maxDelayMs: maxDelay === undefined ? DEFAULT_RETRY.maxDelayMs : toMs(maxDelay),
    jitter: jitter ?? DEFAULT_RETRY.jitter,
  }
}
