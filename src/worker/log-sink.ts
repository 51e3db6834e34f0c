import { explain } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import { startLoop } from '../lib/service.ts'
import type { LogLine } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'

/** Takes the lines that functions write, and stores them in batches. */
export interface LogSink {
  write(lines: readonly LogLine[]): void
  /** Stores what is left. Idempotent. */
  stop(): Promise<void>
}

const FLUSH_MS = 200
const MAX_BATCH = 1_000
/** What we hold while Postgres is away; what comes then is dropped, and said so. */
const MAX_HELD = 20_000

export function createLogSink(store: Store, logger: Logger): LogSink {
  let held: LogLine[] = []
  let dropped = 0

  const flush = async (): Promise<void> => {
    while (held.length > 0) {
      const batch = held.slice(0, MAX_BATCH)
      await store.appendLogs(batch)
      held = held.slice(batch.length)
    }
    if (dropped > 0)
      logger.warn({ lines: dropped }, 'dropped lines of function logs: the ledger could not take them')
    dropped = 0
  }
  const onError = (error: unknown): void =>
    logger.debug({ error: explain(error) }, 'cannot store function logs now')
  const loop = startLoop(flush, { everyMs: FLUSH_MS, onError })

  return {
    write(lines) {
      const room = Math.max(0, MAX_HELD - held.length)
      held.push(...lines.slice(0, room))
      dropped += Math.max(0, lines.length - room)
    },
    async stop() {
      await loop.stop()
      await flush().catch(onError)
    },
  }
}
