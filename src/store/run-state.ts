import type { Outcome } from './store.ts'

/** Where a run may go from where it is. Everything not listed is a bug, and the database refuses it too. */
export const NEXT = {
  /** Durable; its time may not have come. */
  accepted: ['queued', 'running', 'cancelled', 'dead'],
  /** May start now; a job is, or will be, on the queue. */
  queued: ['running', 'cancelled', 'dead'],
  /** A worker holds its lease. Back to `queued` when that worker is lost. */
  running: ['completed', 'retrying', 'dead', 'queued', 'cancelled'],
  /** An attempt failed; the next starts when it is due. */
  retrying: ['queued', 'running', 'cancelled', 'dead'],
  completed: [],
  /** Kept for replay, until somebody discards it. */
  dead: ['queued', 'cancelled'],
  cancelled: ['queued'],
} as const satisfies Record<string, readonly string[]>

export type RunState = keyof typeof NEXT

export const RUN_STATES = Object.keys(NEXT) as readonly RunState[]

export function mayMove(from: RunState, to: RunState): boolean {
  return (NEXT[from] as readonly RunState[]).includes(to)
}

/** Whether a run has ended its process with nobody else in it. */
export function isCrash(outcome: Outcome): boolean {
  return (outcome.kind === 'retry' || outcome.kind === 'dead') && endsProcess(outcome.failure.code)
}

const ENDS_PROCESS = ['TPT_FUNCTION_CRASHED', 'TPT_OUT_OF_MEMORY', 'TPT_TOO_MANY_PROCESSES']

/** Codes of failures that took the run's process with them, or would have. */
export function endsProcess(code: string | null): boolean {
  return code !== null && ENDS_PROCESS.includes(code)
}

/** Over, unless a person replays it. */
export function isFinal(state: RunState): boolean {
  return state === 'completed' || state === 'dead' || state === 'cancelled'
}
