import pg from 'pg'

/** Which process each worker was: the ledger forgets one as soon as its runs have been taken over. */
export interface Roster {
  readonly workers: ReadonlyMap<string, number>
  stop(): Promise<void>
}

const EVERY_MS = 500

/** Asks the ledger twice a second, as long as it answers. */
export function keepRoster(databaseUrl: string): Roster {
  const workers = new Map<string, number>()
  const pool = new pg.Pool({
    ...{ connectionString: databaseUrl, max: 1, application_name: 'roster' },
    ...{ connectionTimeoutMillis: 2_000, query_timeout: 2_000 },
  })
  pool.on('error', () => undefined)
  let asking: Promise<void> | null = null
  const ask = async (): Promise<void> => {
    const { rows } = await pool.query<{ id: string; pid: number }>('select id, pid from tappet.workers')
    for (const { id, pid } of rows) workers.set(id, pid)
  }
  const timer = setInterval(() => {
    // While the ledger is away there is nobody new to be known.
    asking ??= ask()
      .catch(() => undefined)
      .finally(() => (asking = null))
  }, EVERY_MS)
  return {
    workers,
    async stop() {
      clearInterval(timer)
      await asking
      await pool.end()
    },
  }
}
