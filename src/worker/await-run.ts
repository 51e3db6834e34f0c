import { isFinal } from '../store/run-state.ts'
import type { Run, Store } from '../store/store.ts'
import type { AwaitRun, RunEnd } from '../triggers/trigger.ts'

const FIRST_LOOK_MS = 50
const MAX_LOOK_MS = 250

/**
 * Waits for a run to be over: at once when a worker of this process ends it, within a quarter of a second when it is
 * another's. Null at the deadline.
 */
export function createAwaitRun(store: Store): AwaitRun {
  const waiting = new Map<string, Set<(end: RunEnd) => void>>()
  store.onFinished((runId, end) => {
    for (const wake of waiting.get(runId) ?? []) wake(end)
  })

  return (runId, timeoutMs, { duplicate = false } = {}) =>
    new Promise((resolve) => {
      const until = performance.now() + timeoutMs
      let lookMs = FIRST_LOOK_MS
      let timer: NodeJS.Timeout | undefined
      let done = false

      const settle = (end: RunEnd | null): void => {
        done = true
        clearTimeout(timer)
        const others = waiting.get(runId)
        others?.delete(settle)
        if (others?.size === 0) waiting.delete(runId)
        resolve(end)
      }
      const look = async (): Promise<void> => {
        clearTimeout(timer)
        const run = await store.run(runId).catch(() => null)
        if (done) return
        if (run && isFinal(run.state)) return settle(toEnd(run))
        const leftMs = until - performance.now()
        if (leftMs <= 0) return settle(null)
        lookLater(leftMs)
      }
      const lookLater = (leftMs: number): void => {
        timer = setTimeout(() => void look(), Math.min(lookMs, leftMs))
        lookMs = Math.min(lookMs * 2, MAX_LOOK_MS)
      }

      const others = waiting.get(runId) ?? new Set()
      waiting.set(runId, others.add(settle))
      if (duplicate) void look()
      else lookLater(timeoutMs)
    })
}

function toEnd({ state, result, failure }: Run): RunEnd {
  return { state: state as RunEnd['state'], result, failure }
}
