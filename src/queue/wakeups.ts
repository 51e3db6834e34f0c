/** Tells many consumers over one connection that jobs may have come: a consumer each on a connection would be many. */
export interface Wakeups {
  /** `hasRoom` says whether the consumer could take another job now. */
  watch(queueName: string, hasRoom: () => boolean): Watch
  close(): void
}

/** One consumer's wake-ups. */
export interface Watch {
  /** Resolves true when jobs may have come since the last look, false after `ms` or when closed. */
  wait(ms: number): Promise<boolean>
  /** Jobs are known to wait. Says whether the consumer can use that. */
  ring(): boolean
  /** Jobs are being looked for now, so what was heard before is void. */
  looking(): void
  /** The consumer has no room any more: what it has heard goes to others. */
  full(): void
  /** Ends a wait, and hears no more. */
  close(): void
}

/** A watch, as its source sees it. */
export interface Bell extends Watch {
  /** Whether ringing it now would be of use. */
  readonly wanted: boolean
}

export interface BellOptions {
  readonly hasRoom: () => boolean
  /** The consumer begins to wait. */
  readonly onWait: () => void
  /** It heard a ring that it cannot use any more. */
  readonly onUnused: () => void
  readonly onClose: () => void
}

/**
 * One ring more than needed: BullMQ rings again whenever a job is taken, while the consumer still looks for more, and
 * a bell that is taken off the list then has to be put on it again at once. A consumer that never comes to look,
 * because each job that it finishes hands it the next one, needs no third ring.
 */
const ENOUGH_RINGS = 2

export function createBell({ hasRoom, onWait, onUnused, onClose }: BellOptions): Bell {
  let rings = 0
  let closed = false
  let end: ((came: boolean) => void) | null = null

  const handOn = (): void => {
    if (rings === 0) return
    rings = 0
    onUnused()
  }
  return {
    get wanted() {
      return !closed && (end !== null || (rings < ENOUGH_RINGS && hasRoom()))
    },
    ring() {
      if (closed || (end === null && !hasRoom())) return false
      if (end === null) rings++
      else end(true)
      return true
    },
    wait(ms) {
      if (closed) return Promise.resolve(false)
      if (rings > 0) {
        rings = 0
        return Promise.resolve(true)
      }
      return new Promise((resolve) => {
        const timer = setTimeout(() => end?.(false), ms)
        end = (came) => {
          end = null
          clearTimeout(timer)
          resolve(came)
        }
        onWait()
      })
    },
    looking() {
      rings = 0
    },
    full: handOn,
    close() {
      closed = true
      handOn()
      end?.(false)
      onClose()
    },
  }
}
