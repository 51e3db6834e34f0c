import { Client, type ClientBase, DatabaseError, type QueryResult } from 'pg'
import { TappetError } from '../../errors.ts'
import { isUnavailable, toStoreError } from './pool.ts'

/** What one statement answered. */
export interface SqlResult {
  /** `SELECT`, `INSERT`, `CREATE TABLE` … */
  readonly command: string
  readonly rowCount: number | null
  readonly columns: readonly string[]
  readonly rows: readonly (readonly unknown[])[]
}

/** What the command line hands on without looking into it. */
export type Connection = ClientBase

/** Does some work on a connection of its own. Rejects with TPT_UNAVAILABLE when the database does not answer. */
export async function withConnection<T>(url: string, work: (client: Connection) => Promise<T>): Promise<T> {
  const client = new Client({
    connectionString: url,
    application_name: 'tappet-cli',
    connectionTimeoutMillis: 5_000,
  })
  // A connection that breaks fails its query; the event beside it must not end the process.
  client.on('error', () => undefined)
  try {
    await client.connect().catch((cause: Error) => {
      if (isUnavailable(cause)) throw toStoreError(cause)
      throw new TappetError('TPT_UNAVAILABLE', `Postgres does not let us in: ${cause.message}`, { cause })
    })
    return await work(client).catch((error: unknown) => {
      throw toStoreError(error)
    })
  } finally {
    await client.end().catch(() => undefined)
  }
}

/**
 * Runs what a person typed: one statement or several, which then are one transaction.
 *
 * @throws TappetError TPT_QUERY_FAILED with what Postgres says about it.
 */
export function runSql(url: string, sql: string): Promise<readonly SqlResult[]> {
  return withConnection(url, async (client) => {
    try {
      const results = await client.query<unknown[]>({ text: sql, rowMode: 'array' })
      return [results].flat().map(toResult)
    } catch (error) {
      if (!(error instanceof DatabaseError) || isUnavailable(error)) throw error
      const { message, code, hint, position } = error
      const at = position === undefined ? '' : ` at character ${position}`
      const more = hint === undefined ? '' : `; ${hint}`
      throw new TappetError('TPT_QUERY_FAILED', `${message}${at} (${code ?? 'no SQLSTATE'})${more}`, {
        cause: error,
      })
    }
  })
}

function toResult({ command, rowCount, fields, rows }: QueryResult<unknown[]>): SqlResult {
  return { command, rowCount, columns: fields.map(({ name }) => name), rows }
}
