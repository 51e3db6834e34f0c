import type { Client } from 'pg'
import type { Logger } from '../lib/log.ts'
import { pause } from '../lib/service.ts'
import type { LowWater } from './low-water.ts'
import type { OutboxRow } from './outbox.ts'
import { type Look, look, take, type TakenRow } from './rows.ts'
import type { Wakeup } from './wakeup.ts'

export interface DrainOptions {
  readonly owner: string
  readonly logger: Logger
  /** Longest sleep: what covers a lost NOTIFY. */
  readonly pollMs: number
  readonly wakeup: Wakeup
  readonly low: LowWater
  /** Kinds of rows that are taken now. */
  readonly kinds: () => readonly OutboxRow['kind'][]
  /** Bindings whose rows are taken now; null for all. */
  readonly bindings: () => readonly string[] | null
  /** Resolves when all rows are safe elsewhere. */
  readonly deliver: (rows: readonly OutboxRow[]) => Promise<void>
  readonly stopping: AbortSignal
}

interface Round {
  readonly rows: number
  /** There was as much as a batch may hold: there is more. */
  readonly full: boolean
}

const MAX_ROWS = 500
const MAX_BYTES = 8_000_000
/** So many rows in a batch mean that more are on their way: a short wait makes the next batch worth its round trips. */
const BUSY_ROWS = 8
const BUSY_GAP_MS = 2
const MAX_GAP_MS = 16
const QUIET_AFTER_MS = 30
const FIRST_PROBE_MS = 20
const LOOK_EVERY_MS = 1_000
const SWEEP_EVERY_MS = 30_000
/** In a rolling deploy the newer version comes to lead; one with a broken function must not lead for ever. */
const RESIGN_AFTER_MS = 3_000
const FIRST_BACK_OFF_MS = 100
const MAX_BACK_OFF_MS = 5_000

/**
 * Hands rows on and deletes them, over one connection, until `stopping`: takes a batch inside a transaction, delivers
 * it, commits. A full batch is followed by the next at once, a short one after a moment; without rows it settles, and
 * sleeps until a NOTIFY. When `deliver` rejects, the deletion is rolled back, and the same rows come again later.
 *
 * Returns early when there are rows for a while that only others know: one of them is to lead.
 *
 * @throws what the connection throws when it is lost.
 */
export async function drain(client: Client, options: DrainOptions): Promise<void> {
  const { pollMs, low, wakeup, stopping, deliver } = options
  const failures = createBackOff(options)
  let open = false
  let lookedAt = 0
  const left = createPatience(RESIGN_AFTER_MS)
  let sweptAt = performance.now()

  const round = async (): Promise<Round> => {
    if (!open) await client.query('begin')
    open = true
    const taken = await take(client, { ...scopeOf(options), maxRows: MAX_ROWS, maxBytes: MAX_BYTES })
    const full = isFull(taken)
    if (!full) low.emptied()
    if (taken.length === 0) return { rows: 0, full }
    if (!(await failures.guard(() => deliver(taken.map(({ row }) => row))))) {
      open = false
      await client.query('rollback')
      await failures.wait()
      return { rows: taken.length, full: true }
    }
    await client.query('commit and chain')
    low.drained(taken.at(-1)?.id ?? 0)
    return { rows: taken.length, full }
  }

  const observe = async (): Promise<Look> => {
    lookedAt = performance.now()
    if (lookedAt - sweptAt > SWEEP_EVERY_MS) {
      sweptAt = lookedAt
      low.reset()
    }
    const seen = await look(client, scopeOf(options))
    low.seen(seen)
    if (!seen.waiting) low.emptied()
    left.note(seen.left)
    return seen
  }

  /** Returns when there may be rows again. Until then it holds no transaction and no lock on the table. */
  const settle = async (): Promise<void> => {
    if (open) await client.query('commit')
    open = false
    // A transaction that is open now may have left its NOTIFY to another that came and went: look until it has ended.
    const { waiting, xmax: horizon } = await observe()
    if (waiting) return
    for (let probeMs = FIRST_PROBE_MS; !stopping.aborted && !left.isOver();) {
      if (await wakeup.wait(probeMs)) return
      const { waiting: found, xmin } = await observe()
      if (found) return
      probeMs = xmin >= horizon ? pollMs : Math.min(probeMs * 1.5, pollMs)
    }
  }

  let quietSince = performance.now()
  let gapMs = 0
  while (!stopping.aborted && !left.isOver()) {
    const { rows, full } = await round()
    const nowMs = performance.now()
    if (rows > 0) quietSince = nowMs
    if (nowMs - lookedAt > LOOK_EVERY_MS) await observe()
    if (full) continue
    if (rows > 0) {
      gapMs = 0
      if (rows >= BUSY_ROWS) await pause(BUSY_GAP_MS, stopping)
    } else if (nowMs - quietSince < QUIET_AFTER_MS) {
      gapMs = Math.min(Math.max(1, gapMs * 2), MAX_GAP_MS)
      await wakeup.wait(gapMs)
    } else {
      await settle()
      quietSince = performance.now()
      gapMs = 0
    }
  }
  if (open) await client.query('commit')
}

function scopeOf({ owner, bindings, kinds, low }: DrainOptions) {
  return { owner, bindings: bindings(), kinds: kinds(), fromId: low.id }
}

/** How long something has been so without a break. */
function createPatience(ms: number) {
  let since: number | null = null
  return {
    note: (so: boolean) => void (since = so ? (since ?? performance.now()) : null),
    isOver: () => since !== null && performance.now() - since > ms,
  }
}

function isFull(taken: readonly TakenRow[]): boolean {
  return taken.length >= MAX_ROWS || taken.reduce((sum, { bytes }) => sum + bytes, 0) >= MAX_BYTES
}

/** Counts deliveries that failed in a row: says so once, waits longer each time, says once that it is over. */
function createBackOff({ logger, stopping }: DrainOptions) {
  let backOffMs = 0
  return {
    async guard(work: () => Promise<void>): Promise<boolean> {
      try {
        await work()
      } catch (err) {
        if (backOffMs === 0 && !stopping.aborted)
          logger.warn({ err }, 'outbox: rows could not be delivered, trying again')
        backOffMs = Math.min(Math.max(FIRST_BACK_OFF_MS, backOffMs * 2), MAX_BACK_OFF_MS)
        return false
      }
      if (backOffMs > 0) logger.info({}, 'outbox: rows are delivered again')
      backOffMs = 0
      return true
    },
    wait: () => pause(backOffMs, stopping),
  }
}
