import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { pause } from '../lib/service.ts'
import { type Bell, createBell, type Wakeups } from './wakeups.ts'

export interface RedisWakeupsOptions {
  /** For commands that do not block. */
  readonly commands: Redis
  /** A new connection, for one command that blocks. Fails its command when it is lost, and connects again by itself. */
  readonly connect: () => Redis
  /** BullMQ's marker of a queue: a sorted set that has a member while there may be jobs to take. */
  readonly markerOf: (queueName: string) => string
  /** Where keys of our own go; in the same Cluster slot as the markers. */
  readonly keyPrefix: string
}

/** How long one read blocks; also how long it takes to see that a connection is dead. */
export const BLOCK_SECONDS = 5
/** Each read names all its keys, so that its cost grows with them. */
const MARKERS_PER_CONNECTION = 250

/** BullMQ blocks one connection per worker on its queue's marker. Here they share one BZPOPMIN over all markers. */
export function createRedisWakeups(options: RedisWakeupsOptions): Wakeups {
  const lanes: Lane[] = []
  return {
    watch(queueName, hasRoom) {
      let lane = lanes.find(({ size }) => size < MARKERS_PER_CONNECTION)
      if (lane === undefined) lanes.push((lane = startLane(options)))
      return lane.watch(options.markerOf(queueName), hasRoom)
    },
    close() {
      for (const lane of lanes) lane.close()
    },
  }
}

interface Lane extends Wakeups {
  readonly size: number
}

function startLane({ commands, connect, keyPrefix }: RedisWakeupsOptions): Lane {
  const bells = new Map<string, Set<Bell>>()
  const blocking = connect()
  const stopping = new AbortController()
  // Popped like the markers when we want the read to end.
  const interruptKey = `${keyPrefix}:interrupt:${randomUUID()}`
  let listening: ReadonlySet<string> | null = null

  const mark = (key: string): void => void commands.zadd(key, 0, '0').catch(() => undefined)
  const all = (): Bell[] => [...bells.values()].flatMap((set) => [...set])
  const hear = (key: string): void => {
    if (key === interruptKey) return
    // Nobody here has room for it any more: another process may be waiting for it.
    if (![...(bells.get(key) ?? [])].some((bell) => bell.ring())) mark(key)
  }
  const read = async (): Promise<void> => {
    const keys = [...bells.keys()].filter((key) => [...(bells.get(key) ?? [])].some((bell) => bell.wanted))
    listening = new Set(keys)
    const popped = await blocking.bzpopmin(interruptKey, ...keys, BLOCK_SECONDS)
    listening = null
    if (popped !== null) hear(popped[0])
  }
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        await read()
      } catch {
        listening = null
        await ready(blocking, stopping.signal)
        // The reply of the read that was cut off may have told somebody.
        for (const bell of all()) bell.ring()
      }
    }
  }
  void run()

  return {
    get size() {
      return bells.size
    },
    watch(key, hasRoom) {
      const bell = createBell({
        hasRoom,
        onWait: () => {
          if (listening !== null && !listening.has(key)) {
            listening = null
            mark(interruptKey)
          }
        },
        onUnused: () => mark(key),
        onClose: () => {
          own.delete(bell)
          if (own.size === 0) bells.delete(key)
        },
      })
      const own = bells.get(key) ?? new Set()
      bells.set(key, own.add(bell))
      return bell
    },
    close() {
      stopping.abort()
      for (const bell of all()) bell.close()
      blocking.disconnect()
      void commands.del(interruptKey).catch(() => undefined)
    },
  }
}

/** Resolves when the connection takes commands; never sooner than 100 ms, so that a server's refusals make no hot loop. */
async function ready(redis: Redis, signal: AbortSignal): Promise<void> {
  do await pause(100, signal)
  while (redis.status !== 'ready' && !signal.aborted)
}
