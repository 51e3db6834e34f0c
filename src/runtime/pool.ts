import type { Instance } from './instance.ts'
import { createLine } from './line.ts'
import { createReadiness } from './readiness.ts'

/** The processes of one function version. Gives each call a place in one of them, and keeps them few. */
export interface Pool<One extends Instance = Instance> {
  /**
   * Runs `work` with an instance that has room for it, in turn when none has. `alone`: with one of its own, ended
   * afterwards. Null, and no work done, when `signal` aborts before its turn comes, or the pool closes.
   */
  use<T>(
    options: { readonly alone: boolean; readonly signal: AbortSignal },
    work: (instance: One) => Promise<T>,
  ): Promise<T | null>
  /** While draining, each instance ends as soon as it has nothing to do. */
  drain(draining: boolean): void
  /** Ends or kills all. */
  close(): Promise<void>
  /** No process and no call. */
  isEmpty(): boolean
}

export interface PoolOptions<One extends Instance> {
  readonly start: () => One
  readonly callsPerInstance: number
  readonly maxInstances: number
  /** Kept ready, whether there are calls or not. */
  readonly minInstances: number
  readonly idleMs: number
}

interface Place<One extends Instance = Instance> {
  readonly instance: One
  readonly alone: boolean
  calls: number
  idle: NodeJS.Timeout | null
}

/** An instance whose event loop takes longer gets no call while another may be started. */
const LATE_MS = 50

export function createPool<One extends Instance>(options: PoolOptions<One>): Pool<One> {
  type Spot = Place<One>
  const { start, callsPerInstance, maxInstances, minInstances, idleMs } = options
  const places = new Set<Spot>()
  let draining = false
  let closed = false

  /** The instance that will serve it soonest, a new one when all are full or late, or null when there may be no more. */
  const choose = (alone: boolean): Spot | null => {
    const peers = [...places].filter((place) => place.alone === alone && place.instance.usable())
    const best = alone ? null : soonest(peers, callsPerInstance)
    if (best && best.instance.lagMs() < LATE_MS) return take(best)
    if (peers.length < maxInstances) return take(open(alone))
    return best && take(best)
  }
  const open = (alone: boolean): Spot => {
    const place: Spot = { instance: start(), alone, calls: 0, idle: null }
    places.add(place)
    void place.instance.exited.then(() => {
      places.delete(place)
      clearTimeout(place.idle ?? undefined)
      line.serve()
      ready.lostOne()
    })
    return place
  }
  const take = (place: Spot): Spot => {
    place.calls++
    clearTimeout(place.idle ?? undefined)
    return place
  }
  const release = (place: Spot): void => {
    place.calls--
    if (place.calls === 0) rest(place)
    line.serve()
  }
  const rest = (place: Spot): void => {
    const end = (): void => void place.instance.end()
    if (place.alone || draining || !place.instance.usable()) return end()
    place.idle = setTimeout(() => shared().length > minInstances && end(), idleMs)
    place.idle.unref()
  }
  const shared = (): Spot[] => [...places].filter((place) => !place.alone && place.instance.usable())
  const line = createLine<Spot>(choose)
  const missing = (): number => (draining || closed ? 0 : minInstances - shared().length)
  const ready = createReadiness(missing, () => open(false))

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
      ready.now()
    },
    async close() {
      closed = true
      ready.stop()
      line.close()
      await Promise.all(
        [...places].map(({ instance, calls }) => (calls === 0 ? instance.end() : instance.kill('shutdown'))),
      )
    },
    isEmpty: () => places.size === 0 && line.isEmpty(),
  }
}

/** The least late, then the least busy of those with room. */
function soonest<One extends Instance>(
  places: readonly Place<One>[],
  callsPerInstance: number,
): Place<One> | null {
  let best: Place<One> | null = null
  for (const place of places) {
    if (place.calls >= callsPerInstance) continue
    if (best === null || worth(place) < worth(best)) best = place
  }
  return best
}

function worth({ instance, calls }: Place): number {
  return calls + (instance.lagMs() < LATE_MS ? 0 : 1_000_000)
}
