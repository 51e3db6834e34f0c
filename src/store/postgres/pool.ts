import pg from 'pg'
import { TappetError } from '../../errors.ts'
import type { Logger } from '../../lib/log.ts'

export interface PoolOptions {
  readonly url: string
  readonly logger: Logger
  /** Most connections. Default 10. */
  readonly max?: number
  /** Shown in `pg_stat_activity`. Default `tappet`. */
  readonly name?: string
}

/** Connections to one database. A server that is gone is noticed within seconds, never waited for. */
export function createPool({ url, logger, max = 10, name = 'tappet' }: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    application_name: name,
    connectionTimeoutMillis: 2_000,
    idleTimeoutMillis: 30_000,
    query_timeout: 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
  })
  pool.on('error', (error) => logger.debug({ err: error.message }, 'an idle Postgres connection was lost'))
  // One that breaks while somebody holds it fails at the next query; without a listener it would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

/** Connection, log-in, no such database, transaction lost against another, resources, locks, operator, system, internal. */
const UNAVAILABLE_CLASSES = ['08', '28', '3D', '40', '53', '55', '57', '58', 'XX']
const READ_ONLY = '25006'
/** What the system says of a connection: refused, reset, no route, no such name, and more than a list could hold. */
const SYSTEM_CODE = /^E(?!RR_)[A-Z_]+$/
const UNAVAILABLE_WORDS = /timeout|terminated|connection error|not queryable|Cannot use a pool/i

/** Whether an error says that the database cannot serve anybody just now, rather than that the query is wrong. */
export function isUnavailable(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string }
  if (code === undefined) return UNAVAILABLE_WORDS.test(message ?? '')
  if (code === READ_ONLY || SYSTEM_CODE.test(code)) return true
  return code.length === 5 && UNAVAILABLE_CLASSES.includes(code.slice(0, 2))
}

/** Whether an error is the fault of the values that were sent, so that other rows of the batch may pass. */
export function isBadValue(error: unknown): boolean {
  // Nested deeper, or longer, than JSON.stringify can write.
  if (error instanceof RangeError) return true
  const { code } = error as { code?: string }
  return code !== undefined && code.length === 5 && ['22', '23', '54'].includes(code.slice(0, 2))
}

/** Runs one statement, prepared under `name`. Rejects with TPT_UNAVAILABLE when the database cannot serve it. */
export async function query<Row extends pg.QueryResultRow>(
  db: pg.Pool | pg.PoolClient,
  name: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  try {
    const result = await db.query<Row>({ name, text, values: [...values] })
    return result.rows
  } catch (error) {
    throw toStoreError(error)
  }
}

/** Does `work` in a transaction of its own: all of it, or none. */
export async function transaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
  begin = 'begin',
): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw toStoreError(error)
  })
  let broken: unknown
  try {
    await client.query(begin)
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    broken = error
    await client.query('rollback').catch(() => undefined)
    throw toStoreError(error)
  } finally {
    client.release(broken instanceof Error)
  }
}

/** What the driver said is in the cause: it names hosts and roles, and the message may reach strangers. */
export function toStoreError(error: unknown): unknown {
  if (!isUnavailable(error)) return error
  return new TappetError('TPT_UNAVAILABLE', 'Postgres does not answer', { cause: error })
}
