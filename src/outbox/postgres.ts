import { Pool } from 'pg'
import { TappetError } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import { migrate } from '../store/migrate.ts'
import { connect } from './connection.ts'
import { type Drainer, startDrainer } from './drainer.ts'
import { type Listener, startListener } from './listener.ts'
import type { Outbox, OutboxRow } from './outbox.ts'
import { changeOwner } from './owner.ts'
import { readDepth } from './rows.ts'

export interface PostgresOutboxOptions {
  readonly url: string
  /** Name of the environment variable that the URL comes from; null for the ledger's database. */
  readonly database: string | null
  readonly logger: Logger
  /** Whose changed rows: projects that share a database have different ones. Default `default`. */
  readonly project?: string
  /** Longest time until a row is found whose NOTIFY was lost. Default 500. */
  readonly pollMs?: number
}

type Deliver = (rows: readonly OutboxRow[]) => Promise<void>

interface Parts {
  readonly drainer: Drainer
  readonly listener: Listener
}

/**
 * The outbox in the table `tappet.outbox`, which `start` makes. Direct connections only: a pooler in transaction mode
 * loses session locks and LISTEN.
 */
export function createPostgresOutbox(options: PostgresOutboxOptions): Outbox {
  const { url, database, project = 'default', pollMs = 500 } = options
  const logger = options.logger.child({ outbox: database ?? 'ledger' })
  const owner = changeOwner(project, database)
  const takers = new Map<OutboxRow['kind'], Deliver>()
  let known: (() => readonly string[]) | null = null
  const pool = createPool(url)
  let starting: Promise<Parts> | null = null
  let parts: Parts | null = null
  let stopped: Promise<void> | null = null

  const open = async (): Promise<Parts> => {
    await prepareDatabase(url)
    const drainer = startDrainer({
      url,
      owner,
      pollMs,
      logger,
      kinds: () => [...takers.keys()],
      bindings: () => known?.() ?? null,
      deliver: (rows) => deliverByKind(takers, rows),
    })
    return { drainer, listener: startListener({ url, logger, onWake: drainer.wake }) }
  }
  const close = async (): Promise<void> => {
    const { drainer, listener } = (await starting?.catch(() => null)) ?? {}
    await Promise.all([listener?.stop(), drainer?.stop()])
    await pool.end()
  }

  return {
    database,
    take(kind, deliver, knows) {
      takers.set(kind, deliver as Deliver)
      known = knows ?? known
      parts?.drainer.rescan()
    },
    async start() {
      if (stopped) throw new TappetError('TPT_SHUTDOWN', 'the outbox has been stopped')
      starting ??= open()
      try {
        parts = await starting
      } catch (error) {
        starting = null
        throw error
      }
    },
    async depth() {
      try {
        return await readDepth(pool, owner)
      } catch (error) {
        throw unavailable(error)
      }
    },
    health: () => ({
      leader: parts?.drainer.leader() ?? false,
      echoMs: parts?.listener.silentMs() ?? 0,
      reconnects: parts ? parts.drainer.losses() + parts.listener.reconnects() : 0,
    }),
    stop: () => (stopped ??= close()),
  }
}

function createPool(url: string): Pool {
  const pool = new Pool({
    connectionString: url,
    application_name: 'tappet outbox depth',
    max: 1,
    idleTimeoutMillis: 1_000,
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
  })
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

/** @throws TappetError TPT_UNAVAILABLE, TPT_MIGRATION_FAILED */
async function prepareDatabase(url: string): Promise<void> {
  const connection = await connect(url, 'migrations').catch((error: unknown) => {
    throw unavailable(error)
  })
  try {
    await migrate(connection.client, 'outbox')
  } catch (error) {
    throw error instanceof TappetError ? error : unavailable(error)
  } finally {
    await connection.close()
  }
}

/** Every kind's rows in their order; rejects when all have settled and one has failed. */
async function deliverByKind(
  takers: ReadonlyMap<OutboxRow['kind'], Deliver>,
  rows: readonly OutboxRow[],
): Promise<void> {
  const deliveries = [...takers].map(async ([kind, deliver]) => {
    const mine = rows.filter((row) => row.kind === kind)
    if (mine.length > 0) await deliver(mine)
  })
  const failed = (await Promise.allSettled(deliveries)).find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
}

function unavailable(cause: unknown): TappetError {
  const { message } = cause as Error
  return new TappetError('TPT_UNAVAILABLE', `the outbox's database does not answer: ${message}`, { cause })
}
