import type { Logger } from '../../lib/log.ts'
import type { AwaitRun } from '../trigger.ts'

export interface Waiting {
  /** Never rejects: the run is accepted, and a caller who cannot be told its end is told that. */
  readonly until: AwaitRun
  /** From `graceMs` on nobody waits any more. */
  end(graceMs: number): void
  /** Callers may wait again. */
  begin(): void
}

export function createWaiting(awaitRun: AwaitRun, logger: Logger): Waiting {
  const callers = new Set<() => void>()
  let ending: NodeJS.Timeout | null = null
  let ended = false
  return {
    async until(runId, timeoutMs, options) {
      if (ended) return null
      let leave = (): void => undefined
      const left = new Promise<null>((resolve) => {
        leave = () => resolve(null)
      })
      callers.add(leave)
      try {
        return await Promise.race([awaitRun(runId, timeoutMs, options), left])
      } catch (err) {
        logger.warn({ err, runId }, 'the end of a run could not be awaited')
        return null
      } finally {
        callers.delete(leave)
      }
    },
    end(graceMs) {
      ending ??= setTimeout(() => {
        ended = true
        for (const leave of callers) leave()
      }, graceMs)
      ending.unref()
    },
    begin() {
      if (ending) clearTimeout(ending)
      ending = null
      ended = false
    },
  }
}
