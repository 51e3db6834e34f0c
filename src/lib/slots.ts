/** A fixed number of places, given out in the order in which they were asked for. */
export interface Slots {
  /** Resolves when a place is free, and takes it. */
  take(): Promise<void>
  /** Takes a place if one is free and nobody waits for it. */
  tryTake(): boolean
  /** Takes a place when one is free within `ms`. False: none was, or none was to be expected, which is known at once. */
  takeWithin(ms: number): boolean | Promise<boolean>
  give(): void
}

/** Of what was between two places that became free, and of what is known of it from before. */
const NEWEST = 0.2

/** @param now in ms; default: of the process */
export function createSlots(count: number, now: () => number = () => performance.now()): Slots {
  const waiting = new Set<() => void>()
  let free = count
  /** How long it takes, while all are taken, until one is given back. */
  let turnMs = 0
  let turnSince: number | null = null

  const tryTake = (): boolean => {
    if (free === 0) return false
    free--
    if (free === 0) turnSince = now()
    return true
  }
  const takeWithin = (ms: number): boolean | Promise<boolean> => {
    if (tryTake()) return true
    if (turnMs * (waiting.size + 1) > ms) return false
    return new Promise((resolve) => {
      const leave = (): void => void (waiting.delete(enter) && resolve(false))
      const timer = setTimeout(leave, ms)
      const enter = (): void => {
        clearTimeout(timer)
        resolve(true)
      }
      waiting.add(enter)
    })
  }
  return {
    tryTake,
    takeWithin,
    take: () =>
      new Promise((resolve) => {
        if (tryTake()) resolve()
        else waiting.add(resolve)
      }),
    give() {
      if (turnSince !== null) {
        const at = now()
        turnMs += NEWEST * (at - turnSince - turnMs)
        turnSince = waiting.size > 0 ? at : null
      }
      const [next] = waiting
      if (next) {
        waiting.delete(next)
        next()
      } else free++
    },
  }
}
