import { explain } from '../errors.ts'
import { isGone, ownIdentity } from '../lib/own-process.ts'
import type { Logger } from '../lib/log.ts'
import { type Loop, startLoop } from '../lib/service.ts'
import type { Job, Queue } from '../queue/queue.ts'
import type { Store } from '../store/store.ts'
import { MAX_LOSSES } from './retry.ts'
import type { Place, Worker } from './worker.ts'

export interface DispatcherDeps {
  readonly store: Store
  readonly queue: Queue
  readonly logger: Logger
  /** A worker that was silent for this long is lost. Default 6 s: with the sweep, runs start elsewhere within 15 s. */
  readonly silentMs?: number
  /** One of this machine that was silent for this long is looked for: if it is gone, it is lost already. Default 3 s. */
  readonly neighbourSilentMs?: number
  /** Default 2 s. */
  readonly sweepMs?: number
}

/**
 * Keeps the queue equal to what the ledger says may run: jobs are added as events are accepted and as retries come due;
 * the sweep adds what was lost on the way, and takes runs from workers that are gone. Any number of processes do this
 * at once without harm.
 */
export interface Dispatcher {
  /** A worker of this process, who is asked before the queue is. */
  offerTo(worker: Pick<Worker, 'offer' | 'reserve'>): void
  /** A place that this worker has free for a run that is about to be made. */
  reserve(functionId: string): Place | null
  /** Adds jobs soon. Never rejects: what cannot be added now is found by the sweep. */
  enqueue(jobs: readonly Job[]): void
  /** Some run is due in this many ms. */
  expect(inMs: number): void
  start(): void
  stop(): Promise<void>
}

const PAGE = 500
/** Workers are most often faster: the mark is then not needed at all. */
const MARK_AFTER_MS = 150
/** A job that was added may not be visible in the queue yet. */
const SETTLE_MS = 5_000
const MAX_PAGES_A_SWEEP = 40
/** Longer than any worker may be silent before it is forgotten. */
const EVER_MS = 7 * 86_400_000

export function createDispatcher(deps: DispatcherDeps): Dispatcher {
  const { store, queue, logger, silentMs = 6_000, sweepMs = 2_000 } = deps
  let loops: { due: Loop; sweep: Loop } | null = null
  let unsubscribe = (): void => undefined
  const timers = new Set<NodeJS.Timeout>()
  const sweeper = createSweeper(deps, silentMs)

  const marker = createMarker(store, logger)

  const complain = (what: string) => (error: unknown) => logger.warn({ error: explain(error) }, what)

  let worker: Pick<Worker, 'offer' | 'reserve'> | null = null

  const enqueue = (made: readonly Job[]): void => {
    add(
      made.filter((job) => {
        const taken = worker?.offer(job) ?? false
        if (taken instanceof Promise) void taken.then((was) => was || add([job]))
        return taken === false
      }),
    )
  }
  const add = (jobs: readonly Job[]): void => {
    if (jobs.length === 0) return
    void queue.add(jobs).then(
      () => marker.add(jobs),
      (error: unknown) =>
        logger.debug({ error: explain(error) }, 'the queue takes no jobs; the sweep will add them'),
    )
  }

  const expect = (inMs: number): void => {
    if (inMs > 60_000) return
    const timer = setTimeout(() => {
      timers.delete(timer)
      loops?.due.wake()
    }, inMs + 1)
    timers.add(timer)
  }

  const addDue = async (): Promise<void> => {
    for (let page = PAGE; page === PAGE;) {
      const jobs = await store.due(PAGE)
      page = jobs.length
      await queue.add(jobs)
      await store.markQueued(jobs)
    }
    const next = await store.nextDueMs()
    if (next !== null && next < 1_000) expect(next)
  }

  return {
    offerTo(own) {
      worker = own
    },
    reserve: (functionId) => worker?.reserve(functionId) ?? null,
    enqueue,
    expect,
    start() {
      loops = {
        due: startLoop(addDue, {
          everyMs: 1_000,
          onError: complain('could not queue the runs that are due'),
        }),
        sweep: startLoop(sweeper, { everyMs: sweepMs, onError: complain('could not sweep') }),
      }
      const offs = [queue.onReconnect(() => loops?.sweep.wake()), store.onReleased(enqueue)]
      unsubscribe = () => offs.forEach((off) => off())
    },
    async stop() {
      unsubscribe()
      for (const timer of timers) clearTimeout(timer)
      await Promise.all([loops?.due.stop(), loops?.sweep.stop()])
      await marker.stop()
    },
  }
}

/** Marks runs as queued in batches, late: most have started by then, and need no mark. */
function createMarker(
  store: Store,
  logger: Logger,
): { add(jobs: readonly Job[]): void; stop(): Promise<void> } {
  let unmarked: Job[] = []
  let timer: NodeJS.Timeout | null = null
  const mark = async (): Promise<void> => {
    if (timer) clearTimeout(timer)
    timer = null
    const jobs = unmarked
    unmarked = []
    // Without the mark they are due again in a second, and the queue knows them already.
    const onError = (error: unknown): void =>
      logger.debug({ error: explain(error) }, 'could not mark runs as queued')
    await store.markQueued(jobs).catch(onError)
  }
  return {
    add(jobs) {
      unmarked.push(...jobs)
      timer ??= setTimeout(() => void mark(), MARK_AFTER_MS)
    },
    stop: mark,
  }
}

/** One round: put back what lost workers held, and add queued runs that the queue does not know. */
function createSweeper(
  { store, queue, logger, neighbourSilentMs = 3_000 }: DispatcherDeps,
  silentMs: number,
): (stop: AbortSignal) => Promise<void> {
  const machine = ownIdentity()?.machine
  let after = ''
  let steadySince = performance.now()
  let sweptAt = performance.now()
  let databaseAt: number | null = null

  /**
   * We were stopped, the machine slept, or somebody set the database's clock: hearts look silent that only could not
   * beat, or beat by another time. What our own clock on the wall says is no reason for anything.
   */
  const noticeGap = (databaseMs: number): void => {
    const now = performance.now()
    const ownMs = now - sweptAt
    const databaseGapMs = databaseMs - (databaseAt ?? databaseMs - ownMs)
    if (ownMs > silentMs || Math.abs(databaseGapMs - ownMs) > silentMs / 2) steadySince = now
    sweptAt = now
    databaseAt = databaseMs
  }

  const reclaim = async (): Promise<void> => {
    // After an outage of Postgres, or of ours, every worker looks silent: let them show first that they are alive.
    if (performance.now() - steadySince < silentMs) return
    await takeOver(await store.reclaim(silentMs, MAX_LOSSES))
  }

  const takeOver = async (jobs: readonly Job[]): Promise<void> => {
    if (jobs.length === 0) return
    logger.warn({ runs: jobs.length }, 'took runs over from workers that are gone')
    await queue.add(jobs.map((job) => ({ ...job, first: true })))
  }

  /** Seen to be gone is more than silent: nobody needs to be waited for. */
  const lookAround = async (): Promise<void> => {
    if (machine === undefined) return
    const silent = await store.neighbours(machine, neighbourSilentMs)
    const gone = silent.filter(({ pid, birth }) => isGone(pid, birth)).map(({ id }) => id)
    if (gone.length === 0) return
    await store.forget(gone)
    await takeOver(await store.reclaim(EVER_MS, MAX_LOSSES))
  }

  const addMissing = async (stop: AbortSignal): Promise<void> => {
    for (let page = 0; page < MAX_PAGES_A_SWEEP && !stop.aborted; page++) {
      const jobs = await store.queued(after, SETTLE_MS, PAGE)
      after = jobs.length < PAGE ? '' : (jobs.at(-1)?.runId ?? '')
      const missing = await queue.missing(jobs)
      if (missing.length > 0) {
        logger.warn({ runs: missing.length }, 'put runs on the queue that it had lost')
        await queue.add(missing)
      }
      if (missing.length === 0 || after === '') return
    }
  }

  return async (stop) => {
    try {
      noticeGap((await store.ping()).databaseMs)
    } catch (error) {
      steadySince = performance.now()
      throw error
    }
    await lookAround()
    await reclaim()
    await addMissing(stop)
  }
}
