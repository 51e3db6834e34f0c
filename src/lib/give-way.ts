import { getPriority, setPriority } from 'node:os'

/** By nice(2), about a third of the weight. */
const STEPS = 5
const LAST = 19

/**
 * Lets processes that take events in go first on a machine that is full: what has been accepted can wait, who is not
 * answered cannot. What this process starts from now on gives way, too.
 */
export function giveWay(): void {
  try {
    setPriority(Math.min(LAST, getPriority() + STEPS))
  } catch {
    // Not allowed where somebody has taken that right from us: then all are alike.
  }
}
