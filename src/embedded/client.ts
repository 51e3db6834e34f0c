import { Client } from 'pg'

/** One statement on a connection of its own. */
export async function query<Row>(url: string, sql: string): Promise<Row[]> {
  const client = new Client({
    connectionString: url,
    application_name: 'tappet-embedded',
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
  })
  // A connection that breaks fails its query; the event beside it must not end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
    return (await client.query(sql)).rows as Row[]
  } finally {
    await client.end()
  }
}
