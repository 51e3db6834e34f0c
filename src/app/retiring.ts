import type { Audit } from '../access/audit.ts'
import type { Config } from '../config.ts'
import { explain } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import { pause, startLoop } from '../lib/service.ts'
import type { Store } from '../store/store.ts'

const RETIRE_EVERY_MS = 3_600_000

/** Removes what is older than it is kept, and sums up what it took before. Gives what stops it. */
export function startRetiring(
  { store, audit }: { readonly store: Store; readonly audit: Audit },
  config: Config,
  logger: Logger,
): () => Promise<void> {
  const retire = async (signal: AbortSignal): Promise<void> => {
    await pause(Math.random() * 60_000, signal)
    if (signal.aborted) return
    await store.sumUsage()
    const events = await store.retire({ runsMs: config.retentionMs, deadMs: config.deadRetentionMs })
    await audit.retire(config.deadRetentionMs)
    if (events > 0) logger.info({ events }, 'retired old events')
  }
  const onError = (error: unknown): void =>
    logger.warn({ error: explain(error) }, 'could not retire old events')
  const loop = startLoop(retire, { everyMs: RETIRE_EVERY_MS, onError })
  return () => loop.stop()
}
