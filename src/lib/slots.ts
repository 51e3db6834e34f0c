/** A fixed number of places, given out in the order in which they were asked for. */
export interface Slots {
  /** Resolves when a place is free, and takes it. */
  take(): Promise<void>
  /** Takes a place if one is free and nobody waits for it. */
  tryTake(): boolean
  give(): void
}

export function createSlots(count: number): Slots {
  const waiting: (() => void)[] = []
  let free = count
  const tryTake = (): boolean => {
    if (free === 0) return false
    free--
    return true
  }
  return {
    take: () =>
      new Promise((resolve) => {
        if (tryTake()) resolve()
        else waiting.push(resolve)
      }),
    tryTake,
    give() {
      const next = waiting.shift()
      if (next) next()
      else free++
    },
  }
}
