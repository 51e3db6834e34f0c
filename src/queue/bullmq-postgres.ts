import { type IQueueBackend, type JobJson, PostgresConnection, PostgresQueueBackend } from 'bullmq'
import { TappetError } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import { withDeadline } from '../lib/service.ts'
import { createBullQueue } from './bullmq.ts'
import { type Engine, LEASE_OPTIONS } from './bullmq-engine.ts'
import { type Counted, createCensus } from './census.ts'
import { migratePostgresQueue } from './bullmq-postgres-migrations.ts'
import { createPostgresWakeups, JOBS_CHANNEL } from './bullmq-postgres-wakeups.ts'
import { messageOf, watchHealth } from './health.ts'
import type { Queue } from './queue.ts'

export interface PostgresQueueOptions {
  readonly url: string
  /** BullMQ's tables and functions live here, apart from the ledger's. Default `tappet_queue`. */
  readonly schema?: string
  readonly logger: Logger
  /** Most connections, not counting the one that listens. Default 10. */
  readonly poolSize?: number
}

const CONNECT_MS = 1_800
/** A statement that takes longer has met a server that hangs. */
const QUERY_MS = 5_000
/** BullMQ's bulk insert makes two temporary tables, 2.6 ms; its insert of a flow 0.5 ms and 0.03 ms for each job. */
const MAX_ONE_BY_ONE = 50

/**
 * A queue on Postgres: BullMQ's own tables in a schema of their own. A pool and one connection that listens, whatever
 * the number of functions.
 *
 * @throws TappetError TPT_UNAVAILABLE when the server does not answer within 2 s; TPT_MIGRATION_FAILED.
 */
export async function createPostgresQueue(options: PostgresQueueOptions): Promise<Queue> {
  const { url, schema = 'tappet_queue', logger, poolSize = 10 } = options
  const connection = new PostgresConnection({
    connectionString: url,
    schema,
    max: poolSize,
    application_name: 'tappet-queue',
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: QUERY_MS,
    keepAlive: true,
  })
  // One that breaks while somebody holds it fails at the next query; without a listener it would end the process.
  connection.pool.on('connect', (client) => client.on('error', () => undefined))
  const health = watchHealth(logger)
  try {
    await migrate(connection, schema)
    await connection.waitUntilReady()
  } catch (error) {
    await withDeadline(connection.close(), CONNECT_MS, () => new Error('not closed in time')).catch(
      () => undefined,
    )
    throw error
  }
  const root = new PostgresQueueBackend(connection, '', { connection: connection.pool, ...LEASE_OPTIONS })
  // Of connections that nobody uses at the moment: whoever needs one finds out.
  root.on('error', (error: unknown) => logger.debug({ reason: messageOf(error) }, 'a connection ended'))
  const wakeups = createPostgresWakeups(connection, health)
  const census = createCensus(async (queueNames) => {
    const { rows } = await connection.pool.query<Counted>(CENSUS, [queueNames])
    return rows
  }, LEASE_OPTIONS.stalledInterval)
  const engine: Engine = {
    name: 'postgres',
    forgetful: false,
    health,
    ...{ wakeups, census },
    backend: (queueName) => root.forQueue(queueName),
    add,
    async holds(jobs) {
      const { rows } = await connection.pool.query<{ held: boolean }>(HOLDS, [
        jobs.map((job) => job.queueName),
        jobs.map((job) => job.id),
      ])
      return rows.map((row) => row.held)
    },
    wake: (queueName) => connection.pool.query('SELECT pg_notify($1, $2)', [JOBS_CHANNEL, queueName]),
    ping: () => connection.pool.query('SELECT 1'),
    async close() {
      census.close()
      wakeups.close()
      await connection.close()
    },
  }
  return createBullQueue(engine, logger)
}

async function add(backend: IQueueBackend, jobs: readonly JobJson[]): Promise<void> {
  // In one order everywhere, or two processes that add the same ids wait for each other.
  const sorted = jobs.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  if (sorted.length > MAX_ONE_BY_ONE) {
    await backend.addJobs(sorted.map((job) => ({ job, jobId: job.id })))
    return
  }
  const target = { prefix: '', queueName: backend.qualifiedName, parentKeyOpts: {} }
  const results = await backend.addFlow(sorted.map((job) => ({ jobData: job, jobId: job.id, ...target })))
  for (const [error] of results) if (error !== null) throw error
}

const HOLDS = `
  SELECT EXISTS (SELECT FROM job WHERE job.queue = asked.queue AND job.id = asked.id) AS held
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (queue, id, n)
   ORDER BY n`

const CENSUS = `
  SELECT EXISTS (SELECT FROM job WHERE job.queue = asked.queue AND state = 'waiting') AS waiting,
         EXISTS (SELECT FROM job WHERE job.queue = asked.queue AND state = 'active') AS active
    FROM unnest($1::text[]) WITH ORDINALITY AS asked (queue, n)
   ORDER BY n`

async function migrate(connection: PostgresConnection, schema: string): Promise<void> {
  const client = await connection.pool.connect().catch((error: unknown) => {
    const message = `queue: expected Postgres to answer, got: ${messageOf(error)}`
    throw new TappetError('TPT_UNAVAILABLE', message, { cause: error })
  })
  try {
    await migratePostgresQueue(client, schema)
    client.release()
  } catch (error) {
    client.release(true)
    throw error
  }
}
