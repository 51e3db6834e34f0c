import { explain, TappetError, toFailure } from '../errors.ts'
import { newId } from '../lib/id.ts'
import type { Logger } from '../lib/log.ts'
import { pause } from '../lib/service.ts'
import type { LoadedFunction } from '../runtime/runtime.ts'
import type { Finish, Metered, NewEvent, Outcome, Store } from '../store/store.ts'
import type { Served } from '../triggers/http/web.ts'

/** A request that is over. */
export interface WebRecord {
  readonly fn: LoadedFunction
  readonly served: Pick<Served, 'subscription' | 'runId' | 'event'>
  readonly outcome: Outcome
  readonly durationMs: number
  readonly meter: Metered | null
}

/** Writes requests down when they are over, with what any other run has in the ledger. */
export interface Records {
  add(record: WebRecord): void
  /** So much waits to be written that no more should be begun. */
  isFull(): boolean
  /** Gives what waits a moment, then up. */
  stop(): Promise<void>
}

export interface RecordsDeps {
  readonly store: Store
  readonly logger: Logger
  readonly workerId: string
  readonly beAlive: () => Promise<void>
}

const MAX_WAITING = 1_000
const RETRY_MS = 250
const LAST_MS = 2_000

export function createRecords({ store, logger, workerId, beAlive }: RecordsDeps): Records {
  const waiting = new Set<Promise<void>>()
  const givingUp = new AbortController()
  let lost = 0

  const write = async (record: WebRecord): Promise<void> => {
    const writeDown = createWriter(record, store, workerId)
    for (let told = false; ; told = true) {
      try {
        await beAlive()
        return await writeDown()
      } catch (error) {
        const fields = { run: record.served.runId, error: explain(error) }
        const mayHelp = error instanceof TappetError && error.code === 'TPT_UNAVAILABLE'
        if (!mayHelp) return logger.error(fields, 'a request cannot be written down')
        if (!told) logger.warn(fields, 'waiting to write a request down')
        if (givingUp.signal.aborted) return void lost++
        await pause(RETRY_MS, givingUp.signal)
      }
    }
  }

  return {
    add(record) {
      tell(logger, record)
      const writing = write(record).finally(() => waiting.delete(writing))
      waiting.add(writing)
    },
    isFull: () => waiting.size >= MAX_WAITING,
    async stop() {
      const timer = setTimeout(() => givingUp.abort(), LAST_MS)
      await Promise.all(waiting)
      clearTimeout(timer)
      if (lost > 0) logger.warn({ requests: lost }, 'requests were answered and could not be written down')
    },
  }
}

/**
 * Accepted as started, and finished at once; again from where it broke off. A run that was paused or put back between is
 * cancelled: nobody is to run it.
 */
function createWriter(record: WebRecord, store: Store, workerId: string): () => Promise<void> {
  const { fn, outcome, durationMs, meter, served } = record
  const event = toEvent(record, workerId)
  let accepted = false
  return async () => {
    if (!accepted) await store.accept(event)
    accepted = true
    // As it was made: here, or by a call before whose answer was lost.
    const ended = await finish(store, {
      ...{ runId: served.runId, functionId: fn.id, lease: 1, attempt: 1, order: null },
      ...{ outcome, version: fn.version, durationMs, meter },
    })
    // Of one that is over already, because the answer to the call before was lost, nothing is changed.
    if (!ended) await store.cancel(served.runId)
  }
}

function toEvent({ fn, served: { runId, subscription, event } }: WebRecord, worker: string): NewEvent {
  const run = {
    ...{ id: runId, functionId: fn.id, trigger: subscription.index },
    ...{ idempotencyKey: null, orderingKey: null, maxAttempts: 1, worker },
  }
  return { id: newId('evt'), envelope: event, aliases: [], runs: [run], delayMs: 0 }
}

async function finish(store: Store, ending: Finish): Promise<boolean> {
  try {
    return await store.finish(ending)
  } catch (error) {
    if (!(error instanceof TappetError) || error.code !== 'TPT_RESULT_INVALID') throw error
    return store.finish({ ...ending, outcome: { kind: 'dead', failure: toFailure(error) } })
  }
}

function tell(logger: Logger, { fn, served, outcome, durationMs }: WebRecord): void {
  const fields = { run: served.runId, function: fn.id, ms: Math.round(durationMs) }
  if (outcome.kind === 'completed') return logger.info(fields, 'request answered')
  const { message, code } = 'failure' in outcome ? outcome.failure : { message: '', code: null }
  logger.error({ ...fields, error: message, code: code ?? undefined }, 'request failed')
}
