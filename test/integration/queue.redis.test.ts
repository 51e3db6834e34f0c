import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, afterEach, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { silentLogger } from '../../src/lib/log.ts'
import { createRedisQueue } from '../../src/queue/bullmq-redis.ts'
import type { Queue } from '../../src/queue/queue.ts'
import { aJob, conformsToQueue, handling, someJobs } from '../conformance/queue.ts'
import { recoversFromKilledWorkers } from '../conformance/queue-recovery.ts'
import { eventually } from '../support/eventually.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { noRedis, testRedis } from '../support/services.ts'

const redis = await testRedis()
const prefix = `{tappet-test-${randomUUID()}}`

describe('Redis', { skip: redis === null && noRedis }, () => {
  const url = redis?.url ?? ''
  const make = () => createRedisQueue({ url, prefix, logger: silentLogger })

  after(() => withRedis(url, removeKeys))

  conformsToQueue('the Redis queue', make, {
    connections: { count: () => withRedis(url, (client) => connectionsOf(client, prefix)), max: 2 },
  })
  recoversFromKilledWorkers(make, () => ({ engine: 'redis', url, namespace: prefix }))

  test('six hundred functions need a connection more for each 250', async () => {
    const queue = await make()
    const functionIds = Array.from({ length: 600 }, () => aJob().functionId)
    const consumers = await Promise.all(functionIds.map((id) => handling(queue, id)))
    await queue.add(functionIds.map((id) => aJob(id)))
    await eventually(() => consumers.every(({ handled }) => handled.length === 1), 'a job for each', 20_000)
    assert.equal(await withRedis(url, (client) => connectionsOf(client, prefix)), 4)
    await queue.close()
  })

  test('leaves little behind: no job, few events', async () => {
    const queue = await make()
    const jobs = someJobs(1_000)
    const { handled } = await handling(queue, jobs[0].functionId, { concurrency: 10 })
    await queue.add(jobs)
    await eventually(() => handled.length === jobs.length, 'all jobs')
    await queue.close()
    await withRedis(url, async (client) => {
      const keys = await client.keys(`${prefix.replace(/[{}]/g, '?')}:${jobs[0].functionId}:*`)
      assert.deepEqual(
        keys.filter((key) => key.includes('run_')),
        [],
      )
      const events = await client.xlen(`${prefix}:${jobs[0].functionId}:events`)
      assert.ok(events <= 250, `${events} events`)
    })
  })
})

const noServer = 'redis-server is not on PATH'

describe('the Redis queue in trouble', { skip: !(await hasServer()) && noServer }, () => {
  let server: RedisServer
  let queue: Queue
  let lines: readonly string[]

  const start = async (port?: number, ...args: string[]): Promise<RedisServer> => {
    const started = await startRedis({ args, ...(port !== undefined && { port }) })
    assert.ok(started, noServer)
    return started
  }
  const open = async (...args: string[]): Promise<void> => {
    server = await start(undefined, ...args)
    const recording = recordingLogger()
    lines = recording.lines
    queue = await createRedisQueue({ url: server.url, logger: recording.logger })
  }
  const restart = async (): Promise<void> => {
    server = await start(Number(new URL(server.url).port))
  }
  afterEach(async () => {
    await queue.close()
    await server.stop()
  })

  test('G1: goes on by itself when Redis was killed and came back empty', async () => {
    await open()
    let back = 0
    const quiet = queue.onReconnect(() => back++)
    const { functionId } = aJob()
    const { handled } = await handling(queue, functionId, { concurrency: 2 })
    await queue.add([aJob(functionId)])
    await eventually(() => handled.length === 1, 'a job before')

    await server.stop()
    await Promise.all(Array.from({ length: 20 }, () => isRefused(() => queue.add([aJob(functionId)]))))
    await isRefused(() => queue.missing([aJob(functionId)]))
    await isRefused(() => queue.ping())
    assert.equal(back, 0)

    await restart()
    await eventually(() => back === 1, 'the connection to be back')
    await queue.add([aJob(functionId)])
    await eventually(() => handled.length === 2, 'a job afterwards', 5_000)
    quiet()
    assert.ok(lines.length <= 4, `logged ${JSON.stringify(lines)}`)
  })

  test('a limit is there again when Redis came back empty', async () => {
    await open()
    const { functionId } = aJob()
    let finish = (): void => undefined
    const finished = new Promise<void>((resolve) => (finish = resolve))
    const { handled } = await handling(queue, functionId, { concurrency: 5, limit: 2, work: () => finished })
    await server.stop()
    await restart()
    await withRedis(server.url, (client) =>
      eventually(() => client.hget(`{tappet}:${functionId}:meta`, 'concurrency'), 'the limit', 8_000),
    )
    await queue.add(someJobs(5).map((job) => ({ ...job, functionId })))
    await eventually(() => handled.length === 2, 'two jobs')
    assert.deepEqual(await queue.counts(functionId), { waiting: 3, active: 2 })
    finish()
  })

  test('G1: jobs under way when all is flushed do no harm, and new ones come', async () => {
    await open()
    const jobs = someJobs(200)
    const { functionId } = jobs[0]
    const { handled } = await handling(queue, functionId, { concurrency: 5 })
    await Promise.all([
      queue.add(jobs),
      withRedis(server.url, async (client) => {
        await eventually(() => handled.length > 10, 'the first jobs')
        await client.flushall()
      }),
    ])
    await eventually(async () => (await queue.counts(functionId)).active === 0, 'none to be active')
    const count = handled.length
    await queue.add(someJobs(20).map((job) => ({ ...job, functionId })))
    await eventually(() => handled.length >= count + 20, 'the new jobs')
    assert.equal((await queue.missing(jobs)).length, jobs.length)
  })

  test('scripts that Redis forgot are sent again', async () => {
    await open()
    const { functionId } = aJob()
    const { handled } = await handling(queue, functionId)
    await queue.add([aJob(functionId)])
    await withRedis(server.url, (client) => client.script('FLUSH'))
    await queue.add([aJob(functionId), aJob(functionId)])
    await eventually(() => handled.length === 3, 'all jobs')
  })

  test('goes on when its connections are cut again and again', async () => {
    await open()
    const jobs = someJobs(2_000)
    const { handled } = await handling(queue, jobs[0].functionId, { concurrency: 10 })
    await queue.add(jobs)
    await withRedis(server.url, async (client) => {
      for (let cut = 1; cut <= 5; cut++) {
        await eventually(() => handled.length > cut * 100, `job ${cut * 100}`)
        await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      }
    })
    const seen = (): number => new Set(handled.map((job) => job.runId)).size
    await eventually(() => seen() === jobs.length, 'all jobs', 25_000)
    await eventually(
      async () => (await queue.missing(jobs)).length === jobs.length,
      'none to be left',
      25_000,
    )
  })

  test('closes within 5 s while Redis is down, with jobs to tell it of', async () => {
    await open()
    const { functionId } = aJob()
    let finish = (): void => undefined
    const work = (): Promise<void> => new Promise((resolve) => (finish = resolve))
    const { handled } = await handling(queue, functionId, { work })
    const idle = await handling(queue, aJob().functionId)
    await queue.add([aJob(functionId)])
    await eventually(() => handled.length === 1, 'the job to be under way')
    await server.stop()
    finish()
    const startMs = performance.now()
    await queue.close()
    assert.ok(performance.now() - startMs < 5_000)
    assert.equal(idle.handled.length, 0)
  })

  test('a Redis that hangs is told within 2.5 s, and used again', async () => {
    await open()
    const { functionId } = aJob()
    const { handled } = await handling(queue, functionId)
    await withRedis(server.url, (client) => client.call('CLIENT', 'PAUSE', '4000'))
    await isRefused(() => queue.add([aJob(functionId)]))
    await isRefused(() => queue.ping())
    await eventually(() => queue.add([aJob(functionId)]).then(() => true), 'a job to be taken')
    await eventually(() => handled.length > 0, 'the job')
  })

  test('G9: a Redis that is full is not stormed, and used again', async () => {
    await open()
    const { functionId } = aJob()
    const { handled } = await handling(queue, functionId, { concurrency: 10 })
    await queue.add([aJob(functionId)])
    await eventually(() => handled.length === 1, 'a job before')
    await withRedis(server.url, async (client) => {
      // Jobs that wait for a consumer which idles: only what it takes by itself can fail.
      await client.hset(`{tappet}:${functionId}:meta`, 'paused', '1')
      await queue.add([aJob(functionId), aJob(functionId)])
      await client.config('SET', 'maxmemory', '1')
      await isRefused(() => queue.add([aJob(functionId)]))
      await client.hdel(`{tappet}:${functionId}:meta`, 'paused')
      const failed = async (): Promise<number> =>
        Number(/cmdstat_evalsha:.*failed_calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0)
      const before = await failed()
      const more = async (): Promise<number> => (await failed()) - before
      await eventually(async () => (await more()) > 0, 'a call to fail')
      const first = await more()
      await eventually(async () => (await more()) > first, 'the next one')
      assert.ok((await more()) <= 4, `${await more()} calls failed`)
      await client.config('SET', 'maxmemory', '0')
    })
    await queue.add([aJob(functionId)])
    await eventually(() => handled.length === 4, 'the jobs that waited, and one more')
    assert.ok(lines.length <= 2, `logged ${JSON.stringify(lines)}`)
  })

  test('keeps to one slot of a Cluster', async () => {
    await open('--cluster-enabled', 'yes')
    await withRedis(server.url, (client) => client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383'))
    await withRedis(server.url, (client) =>
      eventually(
        async () => String(await client.call('CLUSTER', 'INFO')).includes('cluster_state:ok'),
        'the cluster',
      ),
    )
    const jobs = [...someJobs(10), ...someJobs(10)]
    const consumers = [
      await handling(queue, jobs[0]?.functionId ?? ''),
      await handling(queue, jobs[10]?.functionId ?? ''),
    ]
    await queue.add(jobs)
    await eventually(() => consumers.every(({ handled }) => handled.length === 10), 'all jobs', 3_000)
  })

  test('a server that cannot be reached is told within 2 s', async () => {
    await open()
    const opened = createRedisQueue({ url: 'redis://127.0.0.1:1', logger: silentLogger })
    await isRefused(() => opened)
  })

  test('valkey:// is redis://, and a policy that evicts is warned of', async () => {
    await open('--maxmemory-policy', 'allkeys-lru')
    assert.equal(lines.length, 1)
    const other = await createRedisQueue({ url: server.url.replace('redis', 'valkey'), logger: silentLogger })
    assert.ok((await other.ping()) >= 0)
    await other.close()
  })
})

async function hasServer(): Promise<boolean> {
  const server = await startRedis()
  await server?.stop()
  return server !== null
}

async function isRefused(call: () => Promise<unknown>): Promise<void> {
  const startMs = performance.now()
  await assert.rejects(call, { code: 'TPT_UNAVAILABLE' })
  const ms = performance.now() - startMs
  assert.ok(ms < 2_500, `refused after ${ms} ms`)
}

async function withRedis<T>(url: string, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url)
  try {
    return await use(client)
  } finally {
    client.disconnect()
  }
}

async function connectionsOf(client: Redis, name: string): Promise<number> {
  return String(await client.client('LIST'))
    .split('\n')
    .filter((line) => line.includes(` name=${name} `)).length
}

async function removeKeys(client: Redis): Promise<void> {
  for await (const keys of client.scanStream({ match: `${prefix}:*`, count: 1_000 })) {
    if (keys.length > 0) await client.unlink(...keys)
  }
}
