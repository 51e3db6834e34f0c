import type { Logger } from '../lib/log.ts'

/** What is known about a backend. Says each change once, however many callers meet it. */
export interface Health {
  /** The connection is gone. */
  lost(reason: unknown): void
  /** The connection is there, again or for the first time. */
  restored(): void
  /** A call came back with an error, whatever the connection. */
  failed(error: unknown): void
  /** A call came back. */
  worked(): void
  /** Calls back when a connection that was lost is there again. Returns how to stop that. */
  onRestored(listener: () => void): () => void
}

/** Errors this close together are one bout: a backend at its limit refuses some calls and takes others. */
const BOUT_MS = 10_000

export function watchHealth(logger: Logger): Health {
  const listeners = new Set<() => void>()
  let connected = true
  let refusedAtMs: number | null = null

  return {
    lost(reason) {
      if (!connected) return
      connected = false
      logger.warn({ reason: messageOf(reason) }, 'the queue’s connection is lost; trying to get it back')
    },
    restored() {
      if (connected) return
      connected = true
      refusedAtMs = null
      logger.info({}, 'the queue’s connection is back')
      for (const listener of listeners) listener()
    },
    failed(error) {
      if (!connected) return
      if (refusedAtMs === null)
        logger.warn({ reason: messageOf(error) }, 'the queue refuses calls; trying again')
      refusedAtMs = performance.now()
    },
    worked() {
      if (refusedAtMs === null || performance.now() - refusedAtMs < BOUT_MS) return
      refusedAtMs = null
      logger.info({}, 'the queue takes calls again')
    },
    onRestored(listener) {
      const own = (): void => listener()
      listeners.add(own)
      return () => void listeners.delete(own)
    },
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}
