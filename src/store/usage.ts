import type { Meter } from '../runtime/runtime.ts'
import type { Attempt } from './store.ts'

/** What an attempt took, and what its function may take. */
export interface Metered extends Meter {
  readonly memoryMb: number
}

/**
 * What the attempts of a function took that ended on one day. Attempts that were lost, given back or cancelled are left
 * out: a cloud would not bill them.
 */
export interface Usage {
  /** UTC, `2026-11-26`. */
  readonly day: string
  readonly functionId: string
  /** How many runs had an attempt. */
  readonly runs: number
  /** How often the function was called. */
  readonly attempts: number
  readonly failed: number
  /** Of the attempts, those in a process that had yet to load the function. */
  readonly cold: number
  readonly busyMs: number
  /** Of that, in attempts that failed. */
  readonly failedMs: number
  /** Each attempt rounded up to a millisecond. */
  readonly billedMs: number
  /** Billed time × what the function may take. */
  readonly gbSeconds: number
  /** As far as it is known: not of functions in other languages, nor of attempts that were killed. */
  readonly cpuMs: number
  readonly peakKb: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** Outcomes of attempts that a cloud would bill. */
export const BILLED: readonly Attempt['outcome'][] = ['completed', 'retry', 'dead']
