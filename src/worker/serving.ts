import { createSlots, type Slots } from '../lib/slots.ts'
import type { Consumer, Job, Queue } from '../queue/queue.ts'
import type { LoadedFunction } from '../runtime/runtime.ts'

/** Which functions a worker takes jobs of, and how many of each at once. */
export interface Serving {
  /** Changes which functions are served. Attempts under way go on. */
  serve(functions: readonly LoadedFunction[]): Promise<void>
  /** Takes a free place for a run that does not come over the queue; null if there is none. It must be given back. */
  reserve(functionId: string): Reserved | null
  /** Takes no more, and resolves when every attempt under way has ended. */
  stop(): Promise<void>
}

export interface Reserved {
  readonly fn: LoadedFunction
  /** Idempotent. */
  give(): void
}

export interface ServingDeps {
  readonly queue: Queue
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

export function createServing({ queue, concurrency, work }: ServingDeps): Serving {
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
    reserve(functionId) {
      const one = served.get(functionId)
      if (stopping || !one || one.fn.concurrency !== null || !one.slots.tryTake()) return null
      let given = (): void => undefined
      follow(new Promise((resolve) => (given = resolve)))
      const give = once(() => {
        one.slots.give()
        given()
      })
      return { fn: one.fn, give }
    },
    async stop() {
      stopping = true
      const consumers = [...served.values()].map(({ consumer }) => consumer.stop())
      await Promise.allSettled([...consumers, ...leaving])
    },
  }
}

function once(work: () => void): () => void {
  let done = false
  return () => {
    if (done) return
    done = true
    work()
  }
}
