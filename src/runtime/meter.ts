import type { Ending } from './ending.ts'
import type { Meter } from './runtime.ts'

/** What a runner says of a call with its answer: ms, ms of CPU, and KiB of memory at most. */
export type Use = readonly [durationMs: number, cpuMs: number, peakKb: number]

export interface Observed {
  readonly durationMs: number
  readonly cold: boolean
  readonly bytesIn: number
}

/** What the process says where it can be so, and what we have seen ourselves. */
export function meterOf(ending: Ending, { durationMs, cold, bytesIn }: Observed): Meter {
  const answered = ending.kind === 'answered' ? ending : null
  const use = readUse(answered?.use)
  return {
    // It cannot have worked for longer than we have waited.
    durationMs: Math.min(use?.[0] ?? durationMs, durationMs),
    cpuMs: use?.[1] ?? null,
    peakKb: use?.[2] ?? null,
    cold,
    bytesIn,
    bytesOut: answered?.payload.length ?? 0,
  }
}

/** Not to be trusted: user code has been running where it comes from. */
function readUse(said: unknown): Use | null {
  const fits = Array.isArray(said) && said.length === 3 && said.every(isAmount)
  return fits ? (said as unknown as Use) : null
}

/** What the ledger's columns hold. */
function isAmount(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value < 2 ** 31
}
