import { EventEmitter } from 'node:events'
import type { Pool } from 'pg'
import { TappetError } from '../../errors.ts'
import { createBatcher } from '../../lib/batch.ts'
import { withDeadline } from '../../lib/service.ts'
import type { Job } from '../../queue/queue.ts'
import type { Acceptance, Claim, Finish, NewEvent, Ping, Store } from '../store.ts'
import { acceptAll, acceptInOrder, acceptNamed } from './accept.ts'
import { isOrdered } from './insert.ts'
import { releaseStuck } from './order.ts'
import { beat, claimAll, disown, finishAll, finishInOrder, forget, leave, neighbours } from './lease.ts'
import * as people from './people.ts'
import { CANCELLED, endOf } from '../run-end.ts'
import { isBadValue, query, toStoreError } from './pool.ts'
import { pause, paused, resume } from './pause.ts'
import * as read from './read.ts'
import * as sweep from './sweep.ts'
import { sumUsage, usage } from './usage.ts'

const ACCEPT_DEADLINE_MS = 2_000
const MAX_BATCH = 200

interface ClaimItem {
  readonly job: Job
  readonly workerId: string
}

const UNSTICK_EVERY_MS = 60_000

/** The ledger in Postgres. Concurrent calls share a statement and its commit; the pool is the store's from now on. */
export function createPostgresStore(pool: Pool): Store {
  const finished = new EventEmitter().setMaxListeners(0)
  const released = (jobs: readonly Job[]): void => {
    if (jobs.length > 0) finished.emit('released', jobs)
  }
  const batchers = createBatchers(pool, released)
  const batcherOf = ({ order }: Finish) => (order === null ? batchers.finishing : batchers.finishingInOrder)

  return {
    accept: (event) => {
      const alone = event.aliases.length > 0
      const batcher = isOrdered(event) ? batchers.acceptingInOrder : batchers.accepting
      const stored = alone ? acceptNamed(pool, event) : batcher.add(event)
      return withDeadline(stored, ACCEPT_DEADLINE_MS, tooSlow)
    },
    markQueued: (jobs) => sweep.markQueued(pool, jobs),
    claim: (job, workerId) => batchers.claiming.add({ job, workerId }),
    async finish(finish) {
      const ended = await batcherOf(finish).add(finish).catch(refuseOutcome)
      const end = endOf(finish.outcome)
      if (ended && end !== null) finished.emit('run', finish.runId, end)
      return ended
    },
    due: (limit) => sweep.due(pool, limit),
    nextDueMs: () => sweep.nextDueMs(pool),
    queued: (after, olderThanMs, limit) => sweep.queued(pool, after, olderThanMs, limit),
    heartbeat: (worker, held) => beat(pool, worker, held),
    neighbours: (machine, silentMs) => neighbours(pool, machine, silentMs),
    forget: (workerIds) => forget(pool, workerIds),
    disown: (workerId, held) => disown(pool, workerId, held),
    reclaim: createReclaim(pool, released),
    leave: (workerId) => leave(pool, workerId),
    appendLogs: (lines) => read.appendLogs(pool, lines),

    run: (runId) => read.run(pool, runId),
    runs: (filter) => read.runs(pool, filter),
    event: (eventId) => read.event(pool, eventId),
    attempts: (runId) => read.attempts(pool, runId),
    logs: (runId) => read.logs(pool, runId),
    stats: () => read.stats(pool),

    replay: (runId) => people.replay(pool, runId),
    async cancel(runId) {
      const next = await people.cancel(pool, runId)
      if (next === null) return false
      released(next)
      finished.emit('run', runId, CANCELLED)
      return true
    },
    pause: (functionId, by) => pause(pool, functionId, by),
    resume: (functionId) => resume(pool, functionId),
    paused: () => paused(pool),
    usage: (days) => usage(pool, days),
    sumUsage: () => sumUsage(pool),
    retire: (retention) => sweep.retire(pool, retention),

    onFinished(listener) {
      finished.on('run', listener)
      return () => finished.off('run', listener)
    },
    onReleased(listener) {
      finished.on('released', listener)
      return () => finished.off('released', listener)
    },
    ping: () => ping(pool),
    async close() {
      await Promise.all(Object.values(batchers).map((batcher) => batcher.settled()))
      await pool.end()
    },
  }
}

function createReclaim(pool: Pool, released: (jobs: readonly Job[]) => void): Store['reclaim'] {
  let unstuckAt = -Infinity
  return async (silentMs, maxLosses) => {
    const { jobs, released: next } = await sweep.reclaim(pool, silentMs, maxLosses)
    released(next)
    if (performance.now() - unstuckAt > UNSTICK_EVERY_MS) {
      unstuckAt = performance.now()
      released(await releaseStuck(pool))
    }
    return jobs
  }
}

/** Calls that share a statement. Those in order go one batch at a time, which keeps the order of the calls. */
function createBatchers(pool: Pool, released: (jobs: readonly Job[]) => void) {
  const shared = { maxItems: MAX_BATCH, retryAlone: isBadValue }
  return {
    accepting: createBatcher<NewEvent, Acceptance>({
      ...shared,
      flush: (events) => acceptAll(pool, events),
    }),
    acceptingInOrder: createBatcher<NewEvent, Acceptance>({
      ...shared,
      flush: (events) => acceptInOrder(pool, events),
      failTogether: true,
    }),
    claiming: createBatcher<ClaimItem, Claim | null>({
      maxItems: MAX_BATCH,
      flush: (items) => claimForEach(pool, items),
    }),
    finishing: createBatcher<Finish, boolean>({
      ...shared,
      flush: (finishes) => finishAll(pool, finishes),
    }),
    finishingInOrder: createBatcher<Finish, boolean>({
      ...shared,
      async flush(finishes) {
        const { ended, released: jobs } = await finishInOrder(pool, finishes)
        released(jobs)
        return ended
      },
    }),
  }
}

function tooSlow(): Error {
  return new TappetError(
    'TPT_UNAVAILABLE',
    `Postgres did not store the event within ${ACCEPT_DEADLINE_MS} ms`,
  )
}

function refuseOutcome(error: unknown): never {
  if (!isBadValue(error)) throw error
  const message = `the outcome cannot be stored: ${(error as Error).message}`
  throw new TappetError('TPT_RESULT_INVALID', message, { cause: error })
}

/** A batch is of one worker as a rule; tests may run several on one store. */
async function claimForEach(pool: Pool, items: readonly ClaimItem[]): Promise<(Claim | null)[]> {
  const claims = new Map<ClaimItem, Claim | null>()
  for (const workerId of new Set(items.map((item) => item.workerId))) {
    const own = items.filter((item) => item.workerId === workerId)
    const taken = await claimAll(
      pool,
      own.map(({ job }) => job),
      workerId,
    )
    own.forEach((item, i) => claims.set(item, taken[i] ?? null))
  }
  return items.map((item) => claims.get(item) ?? null)
}

async function ping(pool: Pool): Promise<Ping> {
  const started = performance.now()
  const asked = query<{ ms: string }>(
    pool,
    'ping',
    'select extract(epoch from clock_timestamp()) * 1000 as ms',
  )
  const late = (): Error => new TappetError('TPT_UNAVAILABLE', 'Postgres did not answer within 2 s')
  const [row] = await withDeadline(asked, 2_000, late).catch((error: unknown) => {
    throw toStoreError(error)
  })
  const ms = performance.now() - started
  const databaseMs = Number(row?.ms) + ms / 2
  return { ms, databaseMs, clockOffsetMs: databaseMs - Date.now() }
}
