import { Agent, request as httpRequest } from 'node:http'
import pg from 'pg'
import type { Cluster } from './cluster.ts'
import type { Node } from './launcher.ts'
import type { Dice } from './dice.ts'
import { POISONS } from './functions.ts'
import type { Told } from './told.ts'

/** Which ways events come. */
export const KINDS = ['http', 'batch', 'row', 'sql', 'file', 'mixed'] as const
export type Kind = (typeof KINDS)[number]

export interface Load {
  /** Resolves when all events have been offered. */
  readonly done: Promise<void>
  stop(): void
}

export interface LoadOptions {
  readonly events: number
  readonly dice: Dice
  readonly told: Told<Kind>
  /**
   * Resolves when this share of the events of a kind, 0 to 1, may have been offered: what keeps the load beside the
   * faults or at its rate, and the kinds beside each other.
   */
  readonly pace: (share: number) => Promise<void>
  /** Events in one transaction, and in one request of CloudEvents. */
  readonly batch: number
}

/** Callers of each kind, and its share of the events. */
const CALLERS: Readonly<Record<Kind, readonly [callers: number, share: number]>> = {
  http: [16, 0.06],
  batch: [4, 0.3],
  row: [3, 0.315],
  sql: [3, 0.315],
  file: [3, 0.005],
  mixed: [1, 0.005],
}
/** Of the events that share a function with them. */
const POISONED = 0.05
const TIMEOUT_MS = 10_000
const REST_MS = 50

/** Offers `events` events of all kinds. */
export function startLoad(cluster: Cluster, options: LoadOptions): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const stopping = new AbortController()
  const callers = KINDS.flatMap((kind) => {
    const [count, share] = CALLERS[kind]
    const all = Math.round(options.events * share)
    const budget = { all, left: all }
    return Array.from({ length: count }, () =>
      call(kind, budget, { cluster, agent, stopping: stopping.signal, ...options }),
    )
  })
  return {
    done: Promise.all(callers).then(() => agent.destroy()),
    stop: () => stopping.abort(),
  }
}

interface Caller extends LoadOptions {
  readonly cluster: Cluster
  readonly agent: Agent
  readonly stopping: AbortSignal
}

/** Offers until the budget of the kind is used up: one event at a time, or a batch. */
async function call(
  kind: Kind,
  budget: { readonly all: number; left: number },
  caller: Caller,
): Promise<void> {
  const { told, pace, batch, stopping } = caller
  const source = SOURCES[kind](caller)
  while (budget.left > 0 && !stopping.aborted) {
    const size = Math.min(budget.left, kind === 'http' || kind === 'file' ? 1 : batch)
    budget.left -= size
    await pace((budget.all - budget.left) / budget.all)
    const numbers = Array.from({ length: size }, () => told.offer(kind))
    try {
      for (const n of await source.offer(numbers)) told.acknowledge(kind, n)
    } catch (error) {
      told.refuse(
        error instanceof Refusal ? error.message : ((error as NodeJS.ErrnoException).code ?? 'error'),
        size,
      )
      await new Promise((resolve) => setTimeout(resolve, REST_MS))
    }
  }
  await source.end()
}

class Refusal extends Error {}

interface Source {
  /** Answers those that were acknowledged; rejects when none was. */
  offer(numbers: readonly number[]): Promise<readonly number[]>
  end(): Promise<void>
}

const nothing = async (): Promise<void> => undefined

const SOURCES: Readonly<Record<Kind, (caller: Caller) => Source>> = {
  http: (caller) => ({
    async offer(numbers) {
      const [n = 0] = numbers
      const send = (): Promise<void> =>
        ask(caller, 'POST', '/http', JSON.stringify({ n }), { 'idempotency-key': `http-${n}` }, 202)
      await send()
      // Every twentieth is delivered up to ten times, all at once.
      const times = caller.dice.next() < 0.05 ? caller.dice.between(1, 9) : 0
      caller.told.repeats += times
      await Promise.allSettled(Array.from({ length: times }, send))
      return numbers
    },
    end: nothing,
  }),
  batch: (caller) => ({
    async offer(numbers) {
      const events = numbers.map((n) => cloudEvent('batch', n, { n }))
      await ask(caller, 'POST', '/_tappet/events', JSON.stringify(events), BATCH, 202)
      return numbers
    },
    end: nothing,
  }),
  mixed: (caller) => ({
    async offer(numbers) {
      const { dice, told } = caller
      const events = numbers.map((n) => {
        const poisoned = dice.next() < POISONED
        if (poisoned) told.forbid('mixed', n)
        return {
          poisoned,
          n,
          event: cloudEvent('mixed', n, { n, ...(poisoned && { poison: dice.pick(POISONS) }) }),
        }
      })
      const body = JSON.stringify(events.map(({ event }) => event))
      await ask(caller, 'POST', '/_tappet/events', body, BATCH, 202)
      return events.flatMap(({ poisoned, n }) => (poisoned ? [] : [n]))
    },
    end: nothing,
  }),
  file: (caller) => ({
    async offer(numbers) {
      const [n = 0] = numbers
      await ask(caller, 'PUT', `/_tappet/uploads/chaos/${n}`, `the content of ${n}`, {}, 201)
      return numbers
    },
    end: nothing,
  }),
  row: (caller) => transactions(caller, 'row', 'insert into things select unnest($1::int[])'),
  sql: (caller) =>
    transactions(
      caller,
      'sql',
      `select tappet.send('sql', json_build_object('n', n), key => 'sql-' || n) from unnest($1::int[]) as n`,
    ),
}

const BATCH = { 'content-type': 'application/cloudevents-batch+json' }

function cloudEvent(type: string, n: number, data: object): object {
  return { specversion: '1.0', id: `${type}-${n}`, source: '/chaos', type, data }
}

/** Committed rows, and every tenth time rolled back ones, over a line of its own to the database. */
function transactions({ cluster, dice, told }: Caller, kind: Kind, text: string): Source {
  let client: pg.Client | null = null
  const connect = async (): Promise<pg.Client> => {
    if (client) return client
    const fresh = new pg.Client({
      ...{ connectionString: cluster.databaseUrl, connectionTimeoutMillis: 2_000 },
      ...{ query_timeout: TIMEOUT_MS, application_name: 'load' },
    })
    fresh.on('error', () => (client = null))
    await fresh.connect()
    return (client = fresh)
  }
  return {
    async offer(numbers) {
      try {
        const db = await connect()
        const never = dice.next() < 0.1
        if (never) for (const n of numbers) told.forbid(kind, n)
        await db.query('begin')
        await db.query(text, [numbers])
        await db.query(never ? 'rollback' : 'commit')
        return never ? [] : numbers
      } catch (error) {
        void client?.end().catch(() => undefined)
        client = null
        throw error
      }
    },
    end: async () => client?.end().catch(() => undefined),
  }
}

/** As a load balancer would: one that answers; when none has for two seconds, any. */
async function chooseBroker({ nodes }: Cluster, dice: Dice): Promise<Node> {
  const brokers = nodes.filter(({ role }) => role === 'broker')
  for (let waited = 0; waited < 2_000; waited += REST_MS) {
    const ready = brokers.filter((one) => one.ready())
    if (ready.length > 0) return dice.pick(ready)
    await new Promise((resolve) => setTimeout(resolve, REST_MS))
  }
  return dice.pick(brokers)
}

async function ask(
  { cluster, dice, agent }: Caller,
  method: string,
  path: string,
  body: string,
  more: Readonly<Record<string, string>>,
  wanted: number,
): Promise<void> {
  const broker = await chooseBroker(cluster, dice)
  const headers = { authorization: `Bearer ${cluster.key}`, 'content-type': 'application/json', ...more }
  const status = await new Promise<number>((resolve, reject) => {
    const request = httpRequest(
      broker.url + path,
      { method, agent, headers, timeout: TIMEOUT_MS },
      (response) => {
        response
          .resume()
          .on('end', () => resolve(response.statusCode ?? 0))
          .on('error', reject)
      },
    )
    request.on('timeout', () => request.destroy(new Refusal('no answer in 10 s'))).on('error', reject)
    request.end(body)
  })
  if (status !== wanted) throw new Refusal(String(status))
}
