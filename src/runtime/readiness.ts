/** An instance that is to be ready and ended is replaced after this long, and then ever longer. */
const REPLACE_MS = 500
const MAX_REPLACE_MS = 60_000

export interface Readiness {
  /** Starts what is missing. */
  now(): void
  /** One has ended. If they end again and again, the next is started later and later. */
  lostOne(): void
  stop(): void
}

/** Keeps as many ready as there should be: `missing` says how many are not. */
export function createReadiness(missing: () => number, open: () => void): Readiness {
  let waitMs = REPLACE_MS
  let timer: NodeJS.Timeout | undefined
  let lastMs = -Infinity
  const now = (): void => {
    for (let left = missing(); left > 0; left--) open()
  }
  now()
  return {
    now,
    lostOne() {
      if (missing() <= 0) return
      const nowMs = performance.now()
      waitMs = nowMs - lastMs > MAX_REPLACE_MS ? REPLACE_MS : Math.min(waitMs * 2, MAX_REPLACE_MS)
      lastMs = nowMs
      clearTimeout(timer)
      timer = setTimeout(now, waitMs).unref()
    },
    stop: () => clearTimeout(timer),
  }
}
