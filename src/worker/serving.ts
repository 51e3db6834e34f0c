import { createSlots, type Slots } from '../lib/slots.ts'
import type { Consumer, Job, Queue } from '../queue/queue.ts'
import type { LoadedFunction } from '../runtime/runtime.ts'

/** Which functions a worker takes jobs of, and how many of each at once. */
export interface Serving {
  /** Changes which functions are served. Attempts under way go on. */
  serve(functions: readonly LoadedFunction[]): Promise<void>
  /** Takes a free place for a run that does not come over the queue; null if there is none. It must be given back. */
  reserve(functionId: string): Reserved | null
  /** The same, and waits a little when a place is likely to be free soon. */
  reserveSoon(functionId: string): Reserved | null | Promise<Reserved | null>
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

/** Cheaper than the way over the queue and back, and short enough for others who would have a place at once. */
const SOON_MS = 20

/** Functions that begin to be served at the same time: each has questions for the queue. */
const AT_ONCE = 20

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

  /** Those with a limit over all processes are given out by the queue alone. */
  const open = (functionId: string): Served | null => {
    const one = served.get(functionId)
    return stopping || one?.fn.concurrency !== null ? null : one
  }
  return {
    async serve(functions) {
      const wanted = new Set(functions.map((fn) => fn.id))
      for (const functionId of [...served.keys()].filter((id) => !wanted.has(id))) end(functionId)
      for (let at = 0; at < functions.length; at += AT_ONCE)
        await Promise.all(functions.slice(at, at + AT_ONCE).map(start))
    },
    reserve(functionId) {
      const one = open(functionId)
      return one?.slots.tryTake() ? keep(one, follow) : null
    },
    reserveSoon(functionId) {
      const one = open(functionId)
      const taken = one?.slots.takeWithin(SOON_MS) ?? false
      if (!one || taken === false) return null
      if (taken === true) return keep(one, follow)
      return taken.then((was) => {
        if (was && !stopping) return keep(one, follow)
        if (was) one.slots.give()
        return null
      })
    },
    async stop() {
      stopping = true
      const consumers = [...served.values()].map(({ consumer }) => consumer.stop())
      await Promise.allSettled([...consumers, ...leaving])
    },
  }
}

/** A place that has been taken, until it is given back. */
function keep({ fn, slots }: Served, follow: (ending: Promise<void>) => void): Reserved {
  let given = (): void => undefined
  follow(new Promise((resolve) => (given = resolve)))
  const give = once(() => {
    slots.give()
    given()
  })
  return { fn, give }
}

function once(work: () => void): () => void {
  let done = false
  return () => {
    if (done) return
    done = true
    work()
  }
}
