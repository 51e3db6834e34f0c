/** What attempts took, as pages and the command line add it up. */
export interface Took {
  readonly attempts: number
  readonly failed: number
  readonly cold: number
  readonly busyMs: number
  readonly failedMs: number
  readonly billedMs: number
  readonly gbSeconds: number
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
