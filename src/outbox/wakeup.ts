export interface Wakeup {
  /** Ends the wait under way, or the next one. */
  wake(): void
  /** Resolves after `ms` with false, or with true as soon as it is woken. One waits at a time. */
  wait(ms: number): Promise<boolean>
}

export function createWakeup(): Wakeup {
  let woken = false
  let waiting: (() => void) | null = null
  return {
    wake() {
      woken = true
      waiting?.()
    },
    wait(ms) {
      return new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer)
          waiting = null
          resolve(woken)
          woken = false
        }
        const timer = setTimeout(done, ms)
        waiting = done
        if (woken) done()
      })
    },
  }
}
