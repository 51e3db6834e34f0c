import { type ClientBase, Pool } from 'pg'
import type { Logger } from '../../lib/log.ts'
import { type Loop, startLoop } from '../../lib/service.ts'
import type { Outbox } from '../../outbox/outbox.ts'
import { changeOwner } from '../../outbox/owner.ts'
import type { Emit, Subscription, TriggerProblem } from '../trigger.ts'
import { bindingsOf } from './binding.ts'
import type { PostgresTrigger } from './declare.ts'
import { createDelivery } from './deliver.ts'
import { diffBindings } from './install.ts'
import { problemsFor } from './problems.ts'
import { createReconciler } from './reconcile.ts'

export interface WatchOptions {
  /** As declarations name it; null: the ledger's. */
  readonly database: string | null
  readonly url: string
  readonly project: string
  readonly outbox: Outbox
  readonly emit: Emit
  readonly install: 'apply' | 'check'
  readonly logger: Logger
}

/** The functions that watch tables of one database. */
export interface Watch {
  /** Resolves when the triggers are in place, as far as they can be now. */
  update(subscriptions: readonly Subscription<PostgresTrigger>[]): Promise<void>
  problems(): readonly TriggerProblem[]
  /** Takes no more rows, then resolves when every `emit` has settled. Idempotent. */
  stop(): Promise<void>
}

/** How soon a table that appears, or is made anew, is noticed. */
const CHECK_MS = 1_500

/** Keeps the triggers of one database as declared, and turns the rows that they write down into events. */
export function watchDatabase(options: WatchOptions): Watch {
  const { database, project, outbox } = options
  const logger = options.logger.child({ database: database ?? 'ledger' })
  const pool = createPool(options.url)
  const reconciler = createReconciler({ ...options, logger })
  const rows = createDelivery({ ...options, logger })
  let subscriptions: readonly Subscription<PostgresTrigger>[] = []
  let problems: readonly TriggerProblem[] = []
  let mustDrop = false
  let failing = false
  let waiting: (() => void)[] = []
  let loop: Loop | null = null
  let stopped: Promise<void> | null = null

  const reconcile = async (client: ClientBase, drop: boolean): Promise<void> => {
    const diff = await diffBindings(client, subscriptions, { project, database })
    // Before rows come: they may have been waiting since before we started.
    rows.setKeys(diff.keys)
    rows.take()
    await outbox.start()
    const { undropped, ...done } = await reconciler.run(client, diff, drop)
    mustDrop ||= undropped
    problems = done.problems
  }
  const check = async (): Promise<void> => {
    const callers = waiting
    waiting = []
    // Only after declarations have changed: in a rolling deploy, old and new processes would fight for ever.
    const drop = mustDrop
    mustDrop = false
    try {
      await withClient(pool, (client) => reconcile(client, drop))
      if (failing) logger.info({}, 'the watched database answers again')
      failing = false
    } catch (err) {
      mustDrop ||= drop
      if (!failing) logger.warn({ err }, 'the watched database cannot be prepared, trying again')
      failing = true
      problems = problemsFor(subscriptions, `its database cannot be prepared: ${(err as Error).message}`)
    }
    for (const done of callers) done()
  }
  const close = async (): Promise<void> => {
    rows.refuse()
    await loop?.stop()
    for (const done of waiting.splice(0)) done()
    await rows.settled()
    await pool.end()
  }

  return {
    update(next) {
      if (stopped) return stopped
      subscriptions = next
      rows.setBindings(bindingsOf(next, changeOwner(project, database)))
      reconciler.forget()
      mustDrop = true
      return new Promise((resolve) => {
        waiting.push(resolve)
        if (loop) loop.wake()
        else
          loop = startLoop(check, {
            everyMs: CHECK_MS,
            onError: (err) => logger.error({ err }, 'watch failed'),
          })
      })
    },
    problems: () => problems,
    stop: () => (stopped ??= close()),
  }
}

async function withClient<T>(pool: Pool, work: (client: ClientBase) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    const result = await work(client)
    client.release()
    return result
  } catch (error) {
    client.release(true)
    throw error
  }
}

function createPool(url: string): Pool {
  const pool = new Pool({
    connectionString: url,
    application_name: 'tappet watch',
    max: 1,
    connectionTimeoutMillis: 5_000,
    query_timeout: 15_000,
    keepAlive: true,
  })
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}
