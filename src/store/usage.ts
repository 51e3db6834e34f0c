import type { Meter } from '../runtime/runtime.ts'
import type { Attempt } from './store.ts'
import type { Took } from './took.ts'

/** What an attempt took, and what its function may take. */
export interface Metered extends Meter {
  readonly memoryMb: number
}

/**
 * What the attempts of a function took that ended on one day. Attempts that were lost, given back or cancelled are left
 * out: a cloud would not bill them.
 */
export interface Usage extends Took {
  /** UTC, `2026-11-26`. */
  readonly day: string
  readonly functionId: string
  /** How many runs had an attempt. */
  readonly runs: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** Outcomes of attempts that a cloud would bill. */
export const BILLED: readonly Attempt['outcome'][] = ['completed', 'retry', 'dead']
