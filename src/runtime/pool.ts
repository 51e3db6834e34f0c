import type { Instance } from './instance.ts'

/** The processes of one function version. Gives each call a place in one of them, and keeps them few. */
export interface Pool {
  /**
   * Runs `work` with an instance that has room for it, in turn when none has. `alone`: with one of its own, ended
   * afterwards. Null, and no work done, when `signal` aborts before its turn comes, or the pool closes.
   */
  use<T>(
    options: { readonly alone: boolean; readonly signal: AbortSignal },
    work: (instance: Instance) => Promise<T>,
  ): Promise<T | null>
  /** While draining, each instance ends as soon as it has nothing to do. */
  drain(draining: boolean): void
  /** Ends or kills all. */
  close(): Promise<void>
  /** No process and no call. */
  isEmpty(): boolean
}

export interface PoolOptions {
  readonly start: () => Instance
  readonly callsPerInstance: number
  readonly maxInstances: number
  readonly idleMs: number
}

interface Place {
  readonly instance: Instance
  readonly alone: boolean
  calls: number
  idle: NodeJS.Timeout | null
}

export function createPool({ start, callsPerInstance, maxInstances, idleMs }: PoolOptions): Pool {
  const places = new Set<Place>()
  let draining = false
  let closed = false

  /** The least busy instance, a new one when all are full, or null when there may be no more. */
  const choose = (alone: boolean): Place | null => {
    const peers = [...places].filter((place) => place.alone === alone && place.instance.usable())
    const [best] = alone ? [] : peers.toSorted((a, b) => a.calls - b.calls)
    if (best && best.calls < callsPerInstance) return take(best)
    return peers.length < maxInstances ? take(open(alone)) : null
  }
  const open = (alone: boolean): Place => {
    const place: Place = { instance: start(), alone, calls: 0, idle: null }
    places.add(place)
    void place.instance.exited.then(() => {
      places.delete(place)
      clearTimeout(place.idle ?? undefined)
      line.serve()
    })
    return place
  }
  const take = (place: Place): Place => {
    place.calls++
    clearTimeout(place.idle ?? undefined)
    return place
  }
  const release = (place: Place): void => {
    place.calls--
    if (place.calls === 0) rest(place)
    line.serve()
  }
  const rest = (place: Place): void => {
    const end = (): void => void place.instance.end()
    if (place.alone || draining || !place.instance.usable()) return end()
    place.idle = setTimeout(end, idleMs)
    place.idle.unref()
  }
  const line = createLine(choose)

  return {
    async use({ alone, signal }, work) {
      const place = signal.aborted || closed ? null : await line.join(alone, signal)
      if (place === null) return null
      try {
        return await work(place.instance)
      } finally {
        release(place)
      }
    },
    drain(wanted) {
      draining = wanted
      for (const place of places) if (draining && place.calls === 0) rest(place)
    },
    async close() {
      closed = true
      line.close()
      await Promise.all(
        [...places].map(({ instance, calls }) => (calls === 0 ? instance.end() : instance.kill('shutdown'))),
      )
    },
    isEmpty: () => places.size === 0 && line.isEmpty(),
  }
}

interface Line {
  /** Resolves when there is a place; null when the signal aborts first, or the line closes. */
  join(alone: boolean, signal: AbortSignal): Promise<Place | null>
  serve(): void
  close(): void
  isEmpty(): boolean
}

interface Waiting {
  readonly alone: boolean
  readonly resolve: (place: Place | null) => void
  readonly reject: (error: unknown) => void
}

/** First come, first served; but those that want to be alone hold up nobody else, nor the other way round. */
function createLine(choose: (alone: boolean) => Place | null): Line {
  const waiting = new Set<Waiting>()
  const offer = (next: Waiting): void => {
    try {
      const place = choose(next.alone)
      if (place && waiting.delete(next)) next.resolve(place)
    } catch (error) {
      waiting.delete(next)
      next.reject(error)
    }
  }
  return {
    join: async (alone, signal) => {
      let leave = (): void => undefined
      try {
        return await new Promise<Place | null>((resolve, reject) => {
          const entry: Waiting = { alone, resolve, reject }
          leave = () => void (waiting.delete(entry) && resolve(null))
          signal.addEventListener('abort', leave, { once: true })
          waiting.add(entry)
          offer(entry)
        })
      } finally {
        signal.removeEventListener('abort', leave)
      }
    },
    serve() {
      for (const next of waiting) offer(next)
    },
    close() {
      for (const { resolve } of waiting) resolve(null)
      waiting.clear()
    },
    isEmpty: () => waiting.size === 0,
  }
}
