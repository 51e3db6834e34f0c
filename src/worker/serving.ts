import { explain } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import { createSlots, type Slots } from '../lib/slots.ts'
import type { Consumer, Job, Queue } from '../queue/queue.ts'
import type { LoadedFunction } from '../runtime/runtime.ts'

/** Which functions a worker takes jobs of, and how many of each at once. */
export interface Serving {
  /** Changes which functions are served. Attempts under way go on. */
  serve(functions: readonly LoadedFunction[]): Promise<void>
  /** Takes a job past the queue if there is a free place for it. */
  offer(job: Job): boolean
  /** Takes no more, and resolves when every attempt under way has ended. */
  stop(): Promise<void>
}

export interface ServingDeps {
  readonly queue: Queue
  readonly logger: Logger
  /** Most attempts of one function at once. */
  readonly concurrency: number
  /** One attempt, to its end. */
  readonly work: (fn: LoadedFunction, job: Job) => Promise<void>
}

interface Served {
  fn: LoadedFunction
  readonly consumer: Consumer
  /** Places for attempts in this process, whichever way their jobs come. */
  readonly slots: Slots
}

export function createServing({ queue, logger, concurrency, work }: ServingDeps): Serving {
  const served = new Map<string, Served>()
  /** Attempts that did not come from the queue, and consumers of functions that are gone or have changed. */
  const leaving = new Set<Promise<void>>()
  let stopping = false

  const follow = (ending: Promise<void>): void => {
    const gone = ending.catch(() => undefined).finally(() => leaving.delete(gone))
    leaving.add(gone)
  }

  /** In a place that has been taken for it. */
  const workIn = async (job: Job, slots: Slots): Promise<void> => {
    try {
      const fn = served.get(job.functionId)?.fn
      if (fn) await work(fn, job)
    } finally {
      slots.give()
    }
  }

  const start = async (fn: LoadedFunction): Promise<void> => {
    const known = served.get(fn.id)
    if (known && known.fn.concurrency === fn.concurrency) {
      known.fn = fn
      return
    }
    const local = Math.min(concurrency, fn.concurrency ?? concurrency)
    const options = { functionId: fn.id, concurrency: local, limit: fn.concurrency }
    const slots = createSlots(local)
    const consumer = await queue.consume(options, async (job) => {
      await slots.take()
      await workIn(job, slots)
    })
    served.set(fn.id, { fn, consumer, slots })
    if (known) follow(known.consumer.stop())
  }

  const end = (functionId: string): void => {
    const known = served.get(functionId)
    served.delete(functionId)
    if (known) follow(known.consumer.stop())
  }

  return {
    async serve(functions) {
      const wanted = new Set(functions.map((fn) => fn.id))
      for (const functionId of [...served.keys()].filter((id) => !wanted.has(id))) end(functionId)
      await Promise.all(functions.map(start))
    },
    offer(job) {
      const one = served.get(job.functionId)
      if (stopping || !one || one.fn.concurrency !== null || !one.slots.tryTake()) return false
      const attempt = workIn(job, one.slots).catch((error: unknown) => {
        // Not claimed, because Postgres is away: the run is due again in a second.
        logger.debug({ run: job.runId, error: explain(error) }, 'could not take a run')
      })
      follow(attempt)
      return true
    },
    async stop() {
      stopping = true
      const consumers = [...served.values()].map(({ consumer }) => consumer.stop())
      await Promise.allSettled([...consumers, ...leaving])
    },
  }
}
