import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Client } from 'pg'
import { silentLogger } from '../../src/lib/log.ts'
import { createPostgresQueue } from '../../src/queue/bullmq-postgres.ts'
import { aJob, conformsToQueue, handling, someJobs } from '../conformance/queue.ts'
import { recoversFromKilledWorkers } from '../conformance/queue-recovery.ts'
import { eventually } from '../support/eventually.ts'
import { startProxy } from '../support/proxy.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { type TestDatabase, testDatabase } from '../support/services.ts'

const POOL_SIZE = 6
const schema = 'tappet_queue'
let database: TestDatabase

const make = () => createPostgresQueue({ url: database.url, logger: silentLogger, poolSize: POOL_SIZE })

describe('Postgres', () => {
  before(async () => {
    database = await testDatabase()
  })
  after(() => database.drop())

  conformsToQueue('the Postgres queue', make, { connections: { count: connections, max: POOL_SIZE + 1 } })
  recoversFromKilledWorkers(make, () => ({ engine: 'postgres', url: database.url, namespace: schema }))

  test('G1: goes on when all its connections are terminated', async () => {
    const { logger, lines } = recordingLogger()
    const queue = await createPostgresQueue({ url: database.url, logger, poolSize: POOL_SIZE })
    try {
      let back = 0
      queue.onReconnect(() => back++)
      const jobs = someJobs(300)
      const { handled } = await handling(queue, jobs[0].functionId, { concurrency: 5 })
      await queue.add(jobs)
      await eventually(() => handled.length > 20, 'the first jobs')
      await query(`select pg_terminate_backend(pid) from pg_stat_activity where ${OURS}`)
      await eventually(() => back === 1, 'the connection to be back')
      // A job whose connection ended at the wrong moment comes again when its lock runs out.
      await eventually(() => new Set(handled.map((job) => job.runId)).size === 300, 'all jobs', 20_000)
      const { functionId } = jobs[0]
      const count = handled.length
      await queue.add([aJob(functionId)])
      await eventually(() => handled.length > count, 'a job added afterwards', 2_000)
      assert.ok(lines.length <= 4, `logged ${JSON.stringify(lines)}`)
    } finally {
      await queue.close()
    }
  })

  test('a server that is gone is told within 2.5 s, found again, and no obstacle to closing', async () => {
    const proxy = await startProxy(database.url)
    const { logger, lines } = recordingLogger()
    const queue = await createPostgresQueue({ url: proxy.url, logger, poolSize: POOL_SIZE })
    let back = 0
    queue.onReconnect(() => back++)
    const { functionId } = aJob()
    const { handled } = await handling(queue, functionId)
    await queue.add([aJob(functionId)])
    await eventually(() => handled.length === 1, 'a job before')
    await proxy.cut()
    await Promise.all(Array.from({ length: 20 }, () => isRefused(() => queue.add([aJob(functionId)]))))
    await isRefused(() => queue.ping())
    await proxy.restore()
    await eventually(() => back === 1, 'the connection to be back')
    await queue.add([aJob(functionId)])
    await eventually(() => handled.length === 2, 'a job afterwards', 5_000)
    await proxy.cut()
    const startMs = performance.now()
    await queue.close()
    assert.ok(performance.now() - startMs < 5_000)
    assert.ok(lines.length <= 6, `logged ${JSON.stringify(lines)}`)
    await proxy.close()
  })

  test('connections that fall silent are given up for new ones', async () => {
    const proxy = await startProxy(database.url)
    const queue = await createPostgresQueue({ url: proxy.url, logger: silentLogger, poolSize: POOL_SIZE })
    const { functionId } = aJob()
    const { handled } = await handling(queue, functionId)
    let back = 0
    queue.onReconnect(() => back++)
    await queue.add([aJob(functionId)])
    await eventually(() => handled.length === 1, 'a job before')
    proxy.silence()
    await eventually(() => back === 1, 'another connection to listen', 15_000)
    await eventually(() => queue.add([aJob(functionId)]).then(() => true), 'a job to be taken')
    await eventually(() => handled.length > 1, 'the job', 5_000)
    await queue.close()
    await proxy.close()
  })

  test('several processes may migrate at once, and again', async () => {
    const own = 'tappet_queue_again'
    const open = () =>
      createPostgresQueue({ url: database.url, schema: own, logger: silentLogger, poolSize: 2 })
    const queues = await Promise.all([open(), open(), open(), open()])
    await Promise.all(queues.map((queue) => queue.close()))
    await (await open()).close()
    const tuned = await query(
      `select relname from pg_class where relnamespace = '${own}'::regnamespace and 'fillfactor=70' = any(reloptions) order by 1`,
    )
    assert.deepEqual(tuned, [{ relname: 'event' }, { relname: 'job' }, { relname: 'meta' }])
  })

  test('a server that cannot be reached is told within 2 s', async () => {
    const startMs = performance.now()
    const opened = createPostgresQueue({ url: 'postgres://nobody@127.0.0.1:1/none', logger: silentLogger })
    await assert.rejects(opened, { code: 'TPT_UNAVAILABLE' })
    assert.ok(performance.now() - startMs < 2_500)
  })
})

async function isRefused(call: () => Promise<unknown>): Promise<void> {
  const startMs = performance.now()
  await assert.rejects(call, { code: 'TPT_UNAVAILABLE' })
  const ms = performance.now() - startMs
  assert.ok(ms < 2_500, `refused after ${ms} ms`)
}

const OURS = `datname = current_database() and application_name = 'tappet-queue'`

async function connections(): Promise<number> {
  return (await query(`select pid from pg_stat_activity where ${OURS}`)).length
}

async function query(sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: database.url })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}
