import { type IQueueBackend, type Job as BullJob, Worker } from 'bullmq'
import type { Logger } from '../lib/log.ts'
import { pause, withDeadline } from '../lib/service.ts'
import { type Engine, type JobData, KEEP_EVENTS, LEASE_OPTIONS } from './bullmq-engine.ts'
import { messageOf } from './health.ts'
import type { ConsumeOptions, Consumer, Work } from './queue.ts'
import type { Watch } from './wakeups.ts'

/** How often an idle consumer looks without being told that there is something: by wake-ups, and by the census. */
const LOOK_AGAIN_SECONDS = 60
/** Between calls that fail. Without it a worker whose Redis is full makes 10,000 a second. */
const BACK_OFF_MS = 1_000
/** How long stopping waits for the backend, when the jobs under way have been handled. */
const STOP_MS = 3_000

export interface ConsumerOptions extends ConsumeOptions {
  readonly engine: Engine
  readonly queueName: string
  readonly logger: Logger
}

export function startConsumer(options: ConsumerOptions, work: Work): Consumer {
  const { engine, queueName, functionId, concurrency, limit, logger } = options
  const underWay = new Set<Promise<void>>()
  const stopping = new AbortController()
  const givingUp = new AbortController()
  const watch = engine.wakeups.watch(queueName, () => underWay.size < concurrency)
  const { leave } = engine.census.join(queueName, ({ waiting, active }) => {
    // Its wake-up may have got lost with the process that heard it.
    if (waiting) watch.ring()
    if (active) void backend.moveStalledJobsToWait()
  })
  const backend = harden(engine.backend(queueName), { ...options, watch, stopping, givingUp })

  const handle = async ({ id, data }: BullJob<JobData>): Promise<void> => {
    // Redis without the job's own key, as after an eviction. The sweeper finds the run.
    if (data.runId === undefined)
      return logger.warn({ functionId, id }, 'the queue handed out a job without its data')
    const handled = work({ runId: data.runId, functionId, lease: data.lease }).catch((error: unknown) => {
      logger.debug({ functionId, id, reason: messageOf(error) }, 'a job’s work was rejected')
    })
    underWay.add(handled)
    if (underWay.size >= concurrency) watch.full()
    await handled
    underWay.delete(handled)
  }
  const worker = new Worker<JobData, void, 'run', IQueueBackend>(
    queueName,
    handle,
    { connection: {}, concurrency, drainDelay: LOOK_AGAIN_SECONDS, skipStalledCheck: true, ...LEASE_OPTIONS },
    () => backend,
  )
  // What matters has been told to `health`; the rest is about jobs that another worker has, or nobody any more.
  worker.on('error', (error) =>
    logger.debug({ functionId, reason: messageOf(error) }, 'BullMQ reports an error'),
  )

  const forget = engine.health.onRestored(() => {
    if (engine.forgetful) applySettings(backend, limit).catch((error: unknown) => engine.health.failed(error))
  })
  const stop = async (): Promise<void> => {
    stopping.abort()
    forget()
    leave()
    const closed = worker.close()
    do await Promise.all(underWay)
    while (!(await settles(closed, STOP_MS)) && underWay.size > 0)
    givingUp.abort()
    // A slot of the limit is free that BullMQ tells nobody of, because this worker did not take the next job.
    await settles(engine.wake(queueName), STOP_MS / 3)
  }
  let stopped: Promise<void> | undefined
  return { stop: () => (stopped ??= stop()) }
}

/** Sets what BullMQ keeps with a queue, for all processes. */
export async function applySettings(backend: IQueueBackend, limit: number | null): Promise<void> {
  await backend.setQueueMeta(settingsOf(limit))
  if (limit === null) await backend.removeQueueMetaFields(['concurrency'])
}

function settingsOf(limit: number | null): Record<string, number> {
  return { 'opts.maxLenEvents': KEEP_EVENTS, ...(limit !== null && { concurrency: limit }) }
}

async function settles(work: Promise<unknown>, ms: number): Promise<boolean> {
  const inTime = work.then(
    () => true,
    () => true,
  )
  return withDeadline(inTime, ms, () => new Error('late')).catch(() => false)
}

interface Hardening extends ConsumerOptions {
  readonly watch: Watch
  /** Look for no more jobs. */
  readonly stopping: AbortController
  /** Stop trying to tell the backend that a job is done: when its lock runs out, somebody finds that the run is over. */
  readonly givingUp: AbortController
}

const NOTHING: [] = []

/** Makes a backend's calls that fail wait, repeat, or come back empty: a Worker loops on errors without a pause. */
function harden(backend: IQueueBackend, options: Hardening): IQueueBackend {
  const { engine, watch, stopping, givingUp, limit } = options
  const { health } = engine
  const take = backend.moveToActive.bind(backend)
  const complete = backend.moveToCompleted.bind(backend)
  const recover = backend.moveStalledJobsToWait.bind(backend)

  return Object.assign(backend, {
    async waitForJob(seconds: number) {
      return (await watch.wait(seconds * 1_000)) ? { member: '0', score: 0 } : null
    },
    async disconnectBlocking() {
      watch.close()
    },
    async reconnectBlocking() {},
    async moveToActive(token: string, name?: string) {
      if (stopping.signal.aborted) return NOTHING
      watch.looking()
      try {
        const next = await take(token, name)
        health.worked()
        return next
      } catch (error) {
        health.failed(error)
        await pause(BACK_OFF_MS, stopping.signal)
        return NOTHING
      }
    },
    async moveToCompleted(...[job, result, , token, fetchNext]: Parameters<typeof complete>) {
      for (;;) {
        try {
          return await complete(job, result, true, token, fetchNext && !stopping.signal.aborted)
        } catch (error) {
          if (isOver(error)) return { result: undefined, finishedOn: Date.now() }
          health.failed(error)
          await pause(BACK_OFF_MS, givingUp.signal)
          // Not thrown: the Worker would tell the backend that the job failed, which never answers once it is closed.
          if (givingUp.signal.aborted) return { result: undefined, finishedOn: Date.now() }
        }
      }
    },
    async moveStalledJobsToWait() {
      try {
        if (engine.forgetful) await backend.setQueueMeta(settingsOf(limit))
        return await recover()
      } catch (error) {
        health.failed(error)
        return []
      }
    },
  })
}

/** BullMQ's codes for a job that is gone, or that another worker has: nothing is left to do for this one. */
function isOver(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'number' && code < 0
}
