import type { Store } from '../store/store.ts'
import { startLoop } from '../lib/service.ts'

export interface Clock {
  /** The database's time, in ms since 1970. */
  nowMs(): Promise<number>
  stop(): Promise<void>
}

const MEASURE_EVERY_MS = 5_000
/** More than a clock is slewed within a few seconds, less than matters to anybody. */
const MOVED_MS = 1_000

/**
 * The database's time between two looks at it, counted by the clock that nobody can set. That one stands still while
 * the machine sleeps; then, and when somebody sets the clock on the wall, the two clocks of ours disagree, and the
 * database is asked before the answer.
 */
export async function startClock(store: Pick<Store, 'ping'>): Promise<Clock> {
  let databaseAheadMs = 0
  let wallAheadMs = 0
  let measuring: Promise<void> | null = null
  const measureOnce = async (): Promise<void> => {
    const { databaseMs } = await store.ping()
    databaseAheadMs = databaseMs - performance.now()
    wallAheadMs = Date.now() - performance.now()
  }
  const measure = (): Promise<void> => (measuring ??= measureOnce().finally(() => (measuring = null)))
  await measure()
  const loop = startLoop(measure, { everyMs: MEASURE_EVERY_MS, onError: () => undefined })
  return {
    async nowMs() {
      const moved = Math.abs(Date.now() - performance.now() - wallAheadMs) > MOVED_MS
      // Without an answer it is as right as it was before.
      if (moved) await measure().catch(() => undefined)
      return performance.now() + databaseAheadMs
    },
    stop: () => loop.stop(),
  }
}
