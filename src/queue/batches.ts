export interface Batches<T> {
  /** Settles with the batch that the items went into. */
  add(items: readonly T[]): Promise<void>
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

export interface BatchOptions<T> {
  readonly write: (items: readonly T[]) => Promise<unknown>
  /** A batch takes no more items when it has this many. */
  readonly maxItems: number
  /** How long an item waits at most, from when it was added. */
  readonly deadlineMs: number
  /** The error for callers whose batch failed, or was not written in time. */
  readonly toError: (cause: unknown, items: number) => Error
}

/**
 * Writes what is added at about the same time together: within one turn of the event loop, or while an earlier batch
 * is on its way. One batch at a time; on Redis more at once were not faster.
 */
export function createBatches<T>(options: BatchOptions<T>): Batches<T> {
  const queued: Batch<T>[] = []
  let writing: Batch<T> | null = null
  let scheduled = false

  const next = (): void => {
    scheduled = false
    writing = null
    let batch = queued.shift()
    while (batch?.over === true) batch = queued.shift()
    if (batch === undefined) return
    writing = batch
    options.write(batch.items).then(batch.resolve, batch.fail)
    // Whichever comes first, the answer or the deadline: a write that hangs must not hold up the batches behind it.
    batch.done.then(next, next)
  }
  const open = (): Batch<T> => {
    const last = queued.at(-1)
    if (last !== undefined && !last.over && last.items.length < options.maxItems) return last
    const batch = startBatch(options)
    queued.push(batch)
    return batch
  }

  return {
    add(items) {
      if (items.length === 0) return Promise.resolve()
      const batch = open()
      for (const item of items) batch.items.push(item)
      if (writing === null && !scheduled) {
        scheduled = true
        setImmediate(next)
      }
      return batch.done
    },
    async idle() {
      await Promise.allSettled([writing?.done, ...queued.map((batch) => batch.done)])
    },
  }
}

interface Batch<T> {
  readonly items: T[]
  readonly done: Promise<void>
  readonly over: boolean
  resolve(): void
  fail(cause: unknown): void
}

function startBatch<T>({ deadlineMs, toError }: BatchOptions<T>): Batch<T> {
  const items: T[] = []
  let over = false
  let settle: { resolve(): void; reject(error: Error): void } | undefined
  const done = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject }
  })
  const end = (): void => {
    over = true
    clearTimeout(timer)
  }
  const fail = (cause: unknown): void => {
    end()
    settle?.reject(toError(cause, items.length))
  }
  const timer = setTimeout(() => fail(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs)
  return {
    items,
    done,
    get over() {
      return over
    },
    resolve() {
      end()
      settle?.resolve()
    },
    fail,
  }
}
