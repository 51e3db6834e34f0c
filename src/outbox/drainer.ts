import { createHash } from 'node:crypto'
import type { Client } from 'pg'
import { pause } from '../lib/service.ts'
import { connect } from './connection.ts'
import { drain, type DrainOptions } from './drain.ts'
import { createLowWater } from './low-water.ts'
import { createWakeup } from './wakeup.ts'

export interface DrainerOptions extends Omit<DrainOptions, 'low' | 'wakeup' | 'stopping'> {
  readonly url: string
}

export interface Drainer {
  /** There may be rows. */
  wake(): void
  /** There may be rows of a kind that was passed over until now. */
  rescan(): void
  /** Whether this process is the one that drains. */
  leader(): boolean
  /** How often a connection was lost. */
  losses(): number
  /** Resolves when the batch under way is delivered and the connection closed. Idempotent. */
  stop(): Promise<void>
}

/** First number of all our advisory locks; the trigger function takes (this, 1). */
const LOCK_CLASS = 779_160_001
/** How often one that stands by tries to become the leader. */
const STANDBY_MS = 500
/** How long one that has resigned does not try to lead: longer than others take to notice. */
const RESIGNED_MS = 2_000
const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 5_000

/** Drains one database for one owner of rows: one process at a time, for order; when it dies, another takes over. */
export function startDrainer({ url, ...options }: DrainerOptions): Drainer {
  const { owner, logger } = options
  const stop = new AbortController()
  const stopping = stop.signal
  const wakeup = createWakeup()
  let leading = false
  let lost = 0
  const low = createLowWater()

  const lead = async (client: Client): Promise<void> => {
    await prepareSession(client)
    while (!stopping.aborted && !(await tryLock(client, owner))) await pause(STANDBY_MS, stopping)
    if (stopping.aborted) return
    leading = true
    low.reset()
    logger.debug({ owner }, 'outbox: this process drains it now')
    await drain(client, { ...options, low, wakeup, stopping })
  }
  const connectAndLead = async (onConnect: () => void): Promise<void> => {
    const connection = await connect(url, 'outbox')
    try {
      onConnect()
      await lead(connection.client)
    } finally {
      leading = false
      await connection.close()
    }
  }
  const run = async (): Promise<void> => {
    let retryMs = 0
    const onConnect = (): void => {
      if (retryMs > 0) logger.info({}, 'outbox: connected again')
      retryMs = 0
    }
    while (!stopping.aborted) {
      try {
        await connectAndLead(onConnect)
        // It has resigned: whoever stands by is first now.
        await pause(RESIGNED_MS, stopping)
      } catch (err) {
        if (stopping.aborted) return
        lost++
        if (retryMs === 0) logger.warn({ err }, 'outbox: lost the database, connecting again')
        retryMs = Math.min(Math.max(FIRST_RETRY_MS, retryMs * 2), MAX_RETRY_MS)
        await pause(retryMs, stopping)
      }
    }
  }

  // While the database is away there is nothing else that would keep a process alive that only drains.
  const keepAlive = setInterval(() => undefined, 60_000)
  const running = run().finally(() => clearInterval(keepAlive))
  return {
    wake: wakeup.wake,
    rescan() {
      low.reset()
      wakeup.wake()
    },
    leader: () => leading,
    losses: () => lost,
    stop() {
      stop.abort()
      wakeup.wake()
      return running
    },
  }
}

/**
 * The planner settings keep it on the primary key: a plan made while the table was empty would scan 100,000 rows for each
 * batch. The time-outs end a session whose process is frozen or unreachable, so that another may lead. A deletion that a
 * crash of the server undoes is a redelivery, so its commit need not wait for the disk.
 */
const SETTINGS = `
  set enable_seqscan = off; set enable_bitmapscan = off; set enable_sort = off; set jit = off;
  set timezone = 'UTC'; set datestyle = 'ISO'; set synchronous_commit = off; set statement_timeout = '30s';
  set idle_in_transaction_session_timeout = '60s';
  set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 3`

async function prepareSession(client: Client): Promise<void> {
  await client.query(SETTINGS)
  const { rows } = await client.query<{ version: number }>(
    `select current_setting('server_version_num')::int as version`,
  )
  if ((rows[0]?.version ?? 0) >= 140_000) await client.query(`set idle_session_timeout = '20s'`)
}

async function tryLock(client: Client, owner: string): Promise<boolean> {
  const key = createHash('sha256').update(`outbox:${owner}`).digest().readInt32BE()
  const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1, $2) as locked', [
    LOCK_CLASS,
    key,
  ])
  return rows[0]?.locked ?? false
}
