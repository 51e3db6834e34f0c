import type { IQueueBackend, JobJson } from 'bullmq'
import { TappetError } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import { withDeadline } from '../lib/service.ts'
import { type Batches, createBatches } from './batches.ts'
import { applySettings, startConsumer } from './bullmq-consumer.ts'
import type { Engine, JobData } from './bullmq-engine.ts'
import { messageOf } from './health.ts'
import { type Consumer, type Job, jobId, type Queue } from './queue.ts'

/** Under the port's 2 s, with some time to spare for a busy event loop. */
const DEADLINE_MS = 1_800
const CLOSE_MS = 1_000
const MAX_BATCH = 1_000

/**
 * The port over BullMQ, one BullMQ queue per function. All that we ask of it is to hand each job out once: results,
 * retries and delays are the ledger's. So a job always completes, and is then removed, which frees its id.
 */
export function createBullQueue(engine: Engine, logger: Logger): Queue {
  const lanes = new Map<string, Lane>()
  const consumers = new Set<Consumer>()
  let closed = false

  const ask = <T>(what: string, answer: () => Promise<T>): Promise<T> => {
    const fail = (cause: unknown): TappetError => unavailable(engine, what, cause)
    if (closed) return Promise.reject(fail('it was closed'))
    const answered = answer().catch((error: unknown) => {
      throw fail(error)
    })
    return withDeadline(answered, DEADLINE_MS, () => fail(`no answer within ${DEADLINE_MS} ms`))
  }
  const laneOf = (functionId: string): Lane => {
    const lane = lanes.get(functionId) ?? openLane(engine, functionId)
    lanes.set(functionId, lane)
    return lane
  }

  return {
    engine: engine.name,
    async add(jobs) {
      if (closed) throw unavailable(engine, `take ${jobs.length} jobs`, 'it was closed')
      await Promise.all([...byFunction(jobs)].map(([functionId, own]) => laneOf(functionId).added.add(own)))
    },
    async missing(jobs) {
      if (jobs.length === 0) return []
      const ids = jobs.map((job) => ({ queueName: queueNameOf(job.functionId), id: jobId(job) }))
      const held = await ask(`look up ${jobs.length} jobs`, () => engine.holds(ids))
      return jobs.filter((_, index) => held[index] !== true)
    },
    async consume(options, work) {
      const { backend } = laneOf(options.functionId)
      const queueName = queueNameOf(options.functionId)
      await ask(`set the limit of ${options.functionId}`, () => applySettings(backend, options.limit))
      const consumer = startConsumer({ engine, queueName, logger, ...options }, work)
      consumers.add(consumer)
      return {
        async stop() {
          await consumer.stop()
          consumers.delete(consumer)
        },
      }
    },
    async counts(functionId) {
      const [waiting = 0, active = 0] = await ask(`count the jobs of ${functionId}`, () =>
        laneOf(functionId).backend.getCounts(['waiting', 'active']),
      )
      return { waiting, active }
    },
    onReconnect: engine.health.onRestored,
    async ping() {
      const startMs = performance.now()
      await ask('answer', engine.ping)
      return performance.now() - startMs
    },
    async close() {
      closed = true
      const added = [...lanes.values()].map((lane) => lane.added.idle())
      await Promise.all([...added, ...[...consumers].map((consumer) => consumer.stop())])
      await withDeadline(engine.close(), CLOSE_MS, () => new Error('not closed in time')).catch(
        () => undefined,
      )
    },
  }
}

function byFunction(jobs: readonly Job[]): ReadonlyMap<string, readonly Job[]> {
  const groups = new Map<string, Job[]>()
  for (const job of jobs) {
    const group = groups.get(job.functionId)
    if (group === undefined) groups.set(job.functionId, [job])
    else group.push(job)
  }
  return groups
}

interface Lane {
  readonly backend: IQueueBackend
  readonly added: Batches<Job>
}

function openLane(engine: Engine, functionId: string): Lane {
  const backend = engine.backend(queueNameOf(functionId))
  const added = createBatches<Job>({
    write: (jobs) => engine.add(backend, jobs.map(toBullJob)),
    maxItems: MAX_BATCH,
    deadlineMs: DEADLINE_MS,
    toError: (cause, items) => unavailable(engine, `take ${items} jobs of ${functionId}`, cause),
  })
  return { backend, added }
}

/** Without options of its own: what a job has none of, Redis need not keep. A literal: spreading one took 3 µs a job. */
function toBullJob(job: Job): JobJson {
  const data: JobData = { runId: job.runId, lease: job.lease }
  return {
    id: jobId(job),
    name: 'run',
    data: JSON.stringify(data),
    timestamp: Date.now(),
    opts: job.first === true ? { lifo: true } : {},
    progress: 0,
    attemptsMade: 0,
    attemptsStarted: 0,
    failedReason: '',
    returnvalue: '',
    stalledCounter: 0,
  }
}

/** BullMQ refuses colons in a queue's name. */
function queueNameOf(functionId: string): string {
  return functionId.replace(/[%:]/g, encodeURIComponent)
}

function unavailable({ name }: Engine, what: string, cause: unknown): TappetError {
  const engine = name === 'redis' ? 'Redis' : 'Postgres'
  return new TappetError(
    'TPT_UNAVAILABLE',
    `queue: expected ${engine} to ${what}, got: ${messageOf(cause)}`,
    { cause },
  )
}
