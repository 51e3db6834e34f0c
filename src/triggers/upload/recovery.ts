import type { Logger } from '../../lib/log.ts'
import { startLoop } from '../../lib/service.ts'
import type { Files } from './files.ts'
import type { Intake } from './intake.ts'
import type { Storage, StoredObject } from './storage.ts'
import { DRAFT_IDLE_MS } from './tus-store.ts'

const EVERY_MS = 2_000
const SWEEP_EVERY_MS = 300_000
/** No sender may keep a request waiting for so long: whoever brought it is gone. */
const ONCE_IDLE_MS = 300_000
/** An upload that came just now is about to be announced by the request that brought it, here or elsewhere. */
const GRACE_MS = 10_000
const BATCH = 500

export interface RecoveryDeps {
  readonly storage: Storage
  readonly files: Files
  readonly intake: Intake
  readonly logger: Logger
}

export interface Recovery {
  /** Announces a file soon whose announcement has just failed here. */
  retry(stored: StoredObject): void
  /** Resolves when it does nothing more. Idempotent. */
  stop(): Promise<void>
}

/**
 * Makes up for what a crash or a lost database has cut short: gives a row to stored files that have none, announces
 * those that were not, and removes drafts that nobody continues. The first round, at start, leaves nothing out.
 */
export function startRecovery(deps: RecoveryDeps): Recovery {
  const { storage, logger } = deps
  const failed = new Map<string, StoredObject>()
  let first = true
  let sweepAt = 0

  const round = async (signal: AbortSignal): Promise<void> => {
    if (performance.now() >= sweepAt) {
      const removed = await storage.sweep(DRAFT_IDLE_MS, ONCE_IDLE_MS)
      if (removed > 0) logger.info({ removed }, 'unfinished uploads were removed')
      sweepAt = performance.now() + SWEEP_EVERY_MS
    }
    for (const stored of failed.values()) {
      await announce(deps, stored)
      failed.delete(stored.id)
    }
    await announceKnown(deps, first ? 0 : GRACE_MS, signal)
    if (first) await adoptUnknown(deps, signal)
    first = false
  }

  const loop = startLoop(round, {
    everyMs: EVERY_MS,
    onError: (error) =>
      logger.warn({ err: error }, 'stored files could not be announced yet; tried again soon'),
  })
  return {
    retry: (stored) => void failed.set(stored.id, stored),
    stop: () => loop.stop(),
  }
}

async function announceKnown(deps: RecoveryDeps, olderThanMs: number, signal: AbortSignal): Promise<void> {
  const { storage, files, logger } = deps
  for (let after = ''; !signal.aborted;) {
    const records = await files.unannounced(after, olderThanMs, BATCH)
    for (const { id, key } of records) {
      after = id
      const stored = await storage.stat(id)
      if (stored) await announce(deps, stored)
      else logger.warn({ file: id, key }, 'a file has no event yet, and its content is not in the storage')
    }
    if (records.length < BATCH) return
  }
}

/** Looks through the whole storage. */
async function adoptUnknown(deps: RecoveryDeps, signal: AbortSignal): Promise<void> {
  let batch: string[] = []
  for await (const id of deps.storage.ids()) {
    if (signal.aborted) return
    if (batch.push(id) < BATCH) continue
    await adoptAll(deps, batch)
    batch = []
  }
  await adoptAll(deps, batch)
}

async function adoptAll(deps: RecoveryDeps, ids: readonly string[]): Promise<void> {
  const { storage, files, logger } = deps
  for (const id of await files.missing(ids)) {
    const stored = await storage.stat(id)
    if (stored) await announce(deps, stored)
    else logger.warn({ file: id }, 'a stored file has lost the record of its key, and is left alone')
  }
}

/** Rejects when it makes no sense to go on with the others now. */
async function announce({ intake, logger }: RecoveryDeps, stored: StoredObject): Promise<void> {
  const fields = { file: stored.id, key: stored.key }
  try {
    await intake.announce(stored)
    logger.info(fields, 'a stored file that had no event yet was announced')
  } catch (error) {
    if ((error as { retryable?: boolean }).retryable === true) throw error
    logger.error({ ...fields, err: error }, 'a stored file could not be announced')
  }
}
