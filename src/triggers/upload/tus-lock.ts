import type { Locker } from '@tus/server'

/** How long a request may go on after it was asked to end, in ms. */
export const DRAIN_MS = 3_000
/** How long a request waits for the one before it, in ms. */
const WAIT_MS = DRAIN_MS + 2_000

interface Holder {
  readonly release: () => void
  readonly gone: Promise<void>
}

/**
 * One request at a time per upload, in this process. Who comes second asks the first to end, since that is often a
 * connection that is dead already, and is told 423 if it does not.
 */
export function createTusLocker(): Locker {
  const holders = new Map<string, Holder>()
  return {
    newLock(id) {
      let leave: (() => void) | null = null
      return {
        async lock(signal, askToEnd) {
          const until = performance.now() + WAIT_MS
          for (let holder = holders.get(id); holder; holder = holders.get(id)) {
            holder.release()
            const waitMs = until - performance.now()
            if (waitMs <= 0 || signal.aborted)
              throw { status_code: 423, body: 'Another request writes to this upload.\n' }
            await settledWithin(holder.gone, waitMs)
          }
          const gone = new Promise<void>((resolve) => {
            leave = resolve
          })
          holders.set(id, { release: () => void askToEnd(), gone })
        },
        async unlock() {
          holders.delete(id)
          leave?.()
        },
      }
    },
  }
}

async function settledWithin(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}
