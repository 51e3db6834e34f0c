import pg from 'pg'
import type { Cluster } from './cluster.ts'
import type { Dice } from './dice.ts'

export const KINDS = ['http', 'row', 'file', 'queue'] as const
export type Kind = (typeof KINDS)[number]

/** What the sources were told. */
export interface Told {
  readonly acknowledged: Record<Kind, Set<string>>
  /** Refused, or never answered: it may have happened or not. */
  readonly refused: Record<Kind, number>
  /** Rows whose transaction was rolled back: they never happened. */
  readonly never: Set<string>
  /** Deliveries of the same event beyond the first. */
  repeats: number
}

export interface Load {
  readonly told: Told
  /** Resolves when all events have been offered. */
  readonly done: Promise<void>
}

export interface LoadOptions {
  readonly events: number
  readonly seconds: number
  readonly dice: Dice
}

/** Share of each kind in the events. */
const CALLERS: readonly (readonly [Kind, number, number])[] = [
  ['http', 6, 0.5],
  ['row', 3, 0.25],
  ['queue', 3, 0.22],
  ['file', 1, 0.03],
]
const TIMEOUT_MS = 10_000

/** Offers `events` events over about `seconds`, faster if it was held up. */
export function startLoad(cluster: Cluster, { events, seconds, dice }: LoadOptions): Load {
  const told: Told = {
    acknowledged: { http: new Set(), row: new Set(), file: new Set(), queue: new Set() },
    refused: { http: 0, row: 0, file: 0, queue: 0 },
    never: new Set(),
    repeats: 0,
  }
  const callers = CALLERS.flatMap(([kind, count, share]) => {
    const all = Math.round(events * share)
    let left = all
    const started = performance.now()
    /** When the next one is to be offered, so that the load lasts as long as the faults. */
    const paced = async (): Promise<void> => {
      const dueMs = started + ((all - left) / all) * seconds * 1_000 - performance.now()
      if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs))
    }
    return Array.from({ length: count }, async (_, caller) => {
      const offer = offers[kind](cluster, told, dice)
      for (let i = 0; left > 0; i++) {
        left--
        await paced()
        const id = `${kind}-${caller}-${i}`
        const accepted = await offer.one(id).catch(() => false)
        if (accepted) told.acknowledged[kind].add(id)
        else {
          told.refused[kind]++
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      }
      await offer.end()
    })
  })
  return { told, done: Promise.all(callers).then(() => undefined) }
}

interface Offer {
  one(id: string): Promise<boolean>
  end(): Promise<void>
}

const offers: Record<Kind, (cluster: Cluster, told: Told, dice: Dice) => Offer> = {
  http: (cluster, told, dice) => ({
    async one(id) {
      const send = (): Promise<boolean> => post(cluster, dice, '/http', id)
      const accepted = await send()
      if (!accepted || dice.next() > 0.05) return accepted
      told.repeats += 2
      await Promise.allSettled([send(), send()])
      return accepted
    },
    end: async () => undefined,
  }),
  queue: (cluster, _told, dice) => ({
    one: (id) => post(cluster, dice, `/_tappet/queues/chaos?key=${id}`, id),
    end: async () => undefined,
  }),
  file: (cluster, _told, dice) => ({
    async one(id) {
      const headers = { authorization: `Bearer ${cluster.key}` }
      const body = `the content of ${id}`
      return (
        (await ask(cluster, dice, `/_tappet/uploads/chaos/${id}`, { method: 'PUT', headers, body })) === 201
      )
    },
    end: async () => undefined,
  }),
  row: (cluster, told, dice) => {
    let client: pg.Client | null = null
    const connect = async (): Promise<pg.Client> => {
      if (client) return client
      const fresh = new pg.Client({ connectionString: cluster.databaseUrl, connectionTimeoutMillis: 2_000 })
      fresh.on('error', () => (client = null))
      await fresh.connect()
      return (client = fresh)
    }
    return {
      async one(id) {
        try {
          const db = await connect()
          const never = dice.next() < 0.1
          if (never) told.never.add(id)
          await db.query('begin')
          await db.query('insert into things values ($1, 1)', [id])
          await db.query(never ? 'rollback' : 'commit')
          return !never
        } catch (error) {
          client = null
          throw error
        }
      },
      end: async () => client?.end().catch(() => undefined),
    }
  },
}

async function post(cluster: Cluster, dice: Dice, path: string, id: string): Promise<boolean> {
  const type = { 'content-type': 'application/json' }
  const headers = { ...type, 'idempotency-key': id, authorization: `Bearer ${cluster.key}` }
  return (await ask(cluster, dice, path, { method: 'POST', headers, body: JSON.stringify({ id }) })) === 202
}

async function ask(cluster: Cluster, dice: Dice, path: string, init: RequestInit): Promise<number> {
  const broker = dice.pick(cluster.nodes.filter(({ role }) => role === 'broker'))
  const response = await fetch(broker.url + path, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) })
  await response.arrayBuffer()
  return response.status
}
