import { createRequire } from 'node:module'
import type { Pool, PoolConfig } from 'pg'
import { noDatabase } from '../handler/context.ts'

const MAX_CONNECTIONS = 5

interface Driver {
  readonly Pool: new (config: PoolConfig) => Pool
}

export interface Database {
  /** The process's connections; made at the first call. */
  pool(): Pool
  close(): Promise<void>
}

/** `pg` is loaded only by functions that use `ctx.db`: it would double the start of the others. */
export function createDatabase(functionId: string, url: string): Database {
  let pool: Pool | undefined
  const open = (): Pool => {
    if (url === '') noDatabase(functionId)
    const pg = createRequire(import.meta.url)('pg') as Driver
    const made = new pg.Pool({
      connectionString: url,
      max: MAX_CONNECTIONS,
      application_name: `tappet ${functionId}`.slice(0, 63),
    })
    // A connection that breaks while nobody uses it: the pool opens another at the next query.
    made.on('error', (error) => process.stderr.write(`ctx.db: an idle connection broke: ${error.message}\n`))
    // One that breaks while the function holds it fails at the next query.
    made.on('connect', (client) => client.on('error', () => undefined))
    return made
  }
  return {
    pool: () => (pool ??= open()),
    close: async () => pool?.end(),
  }
}
