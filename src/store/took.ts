/** What attempts took, as pages and the command line add it up. */
export interface Took {
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
}

/** Both together; whatever else there is comes from the first. */
export function plus<T extends Took>(a: T, b: Took): T {
  return {
    ...a,
    attempts: a.attempts + b.attempts,
    failed: a.failed + b.failed,
    cold: a.cold + b.cold,
    busyMs: a.busyMs + b.busyMs,
    failedMs: a.failedMs + b.failedMs,
    billedMs: a.billedMs + b.billedMs,
    gbSeconds: a.gbSeconds + b.gbSeconds,
    cpuMs: a.cpuMs + b.cpuMs,
    peakKb: Math.max(a.peakKb, b.peakKb),
  }
}
