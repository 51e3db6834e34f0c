export interface Batcher<In, Out> {
  /** Settles as the item's share of its batch does. */
  add(item: In): Promise<Out>
  /** Resolves when nothing is waiting or under way. */
  settled(): Promise<void>
}

export interface BatchOptions<In, Out> {
  /** Does the work for all items at once; answers in their order. */
  readonly flush: (items: readonly In[]) => Promise<readonly Out[]>
  readonly maxItems: number
  /** Most batches at once. Default 1: while one is under way, the next one fills. */
  readonly parallel?: number
  /** Whether a failed batch is tried again item by item, so that a bad item fails alone. Default never. */
  readonly retryAlone?: (error: unknown) => boolean
  /** Whether what waits behind a batch that failed fails, too, so that nothing overtakes. Default no. */
  readonly failTogether?: boolean
}

interface Waiting<In, Out> {
  readonly item: In
  readonly resolve: (out: Out) => void
  readonly reject: (error: unknown) => void
}

/** Lets concurrent calls share one round trip: what comes while a batch is under way makes up the next one. */
export function createBatcher<In, Out>(options: BatchOptions<In, Out>): Batcher<In, Out> {
  const { flush, maxItems, parallel = 1, retryAlone = () => false, failTogether = false } = options
  let waiting: Waiting<In, Out>[] = []
  let underWay = 0
  let scheduled = false
  let onSettled: (() => void)[] = []

  const send = async (batch: readonly Waiting<In, Out>[]): Promise<void> => {
    try {
      const outs = await flush(batch.map(({ item }) => item))
      batch.forEach(({ resolve }, i) => resolve(outs[i] as Out))
    } catch (error) {
      if (batch.length > 1 && retryAlone(error)) for (const one of batch) await send([one])
      else {
        const behind = failTogether ? waiting.splice(0) : []
        for (const { reject } of [...batch, ...behind]) reject(error)
      }
    }
  }

  const pump = (): void => {
    scheduled = false
    while (underWay < parallel && waiting.length > 0) {
      const batch = waiting.slice(0, maxItems)
      waiting = waiting.slice(maxItems)
      underWay++
      void send(batch).then(() => {
        underWay--
        pump()
      })
    }
    if (underWay === 0 && waiting.length === 0) {
      for (const done of onSettled) done()
      onSettled = []
    }
  }

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject })
        if (scheduled || underWay >= parallel) return
        scheduled = true
        setImmediate(pump)
      }),
    settled: () =>
      new Promise((resolve) => {
        if (underWay === 0 && waiting.length === 0) resolve()
        else onSettled.push(resolve)
      }),
  }
}
