import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { openFunctions } from '../src/app/functions.ts'
import { createBroker } from '../src/broker.ts'
import { readConfig } from '../src/config.ts'
import { silentLogger } from '../src/lib/log.ts'
import { createPostgresQueue } from '../src/queue/bullmq-postgres.ts'
import { createRedisQueue } from '../src/queue/bullmq-redis.ts'
import type { Queue } from '../src/queue/queue.ts'
import { migrate } from '../src/store/migrate.ts'
import { createPool } from '../src/store/postgres/pool.ts'
import { createPostgresStore } from '../src/store/postgres/store.ts'
import type { Store } from '../src/store/store.ts'
import { createDispatcher } from '../src/worker/dispatcher.ts'
import { createWorker } from '../src/worker/worker.ts'
import type { Side } from './side.ts'
import type { Servers } from './servers.ts'

const NO_OP = `import { defineFunction, queue } from 'tappet'
export default defineFunction({ on: queue('no-op') }, () => null)
`

/** The whole way: ledger, queue, lease, a function in a process of its own, result in the ledger. */
export async function tappet(
  options: Servers & { readonly engine: 'redis' | 'postgres'; readonly handOver: boolean },
): Promise<Side> {
  const { engine, databaseUrl, redisUrl, handOver } = options
  const label = `${engine}_${handOver ? 'direct' : 'queued'}`
  const root = join(options.folder, label)
  await mkdir(join(root, 'functions'), { recursive: true })
  await symlink(join(import.meta.dirname, '..', 'node_modules'), join(root, 'node_modules'))
  await writeFile(join(root, 'functions', 'no-op.ts'), NO_OP)
  const url = await createDatabase(databaseUrl, `bench_${label}`)
  const logger = silentLogger
  const times = createTimes()
  const store = times.watchStore(createPostgresStore(createPool({ url, logger, max: 20 })))
  const queue = await (engine === 'redis'
    ? createRedisQueue({ url: redisUrl, prefix: label, logger })
    : createPostgresQueue({ url, logger }))
  const host = { send: refuse, fileInfo: refuse, fileRead: refuse }
  const config = readConfig(process.env, { root })
  const functions = await openFunctions({ config, databaseUrl: url, host, onLog: () => undefined, logger })
  const dispatcher = createDispatcher({ store, queue: times.watchQueue(queue), logger })
  const { runtime } = functions
  const broker = createBroker({ store, runtime, dispatcher, logger, findFunction: functions.find })
  const worker = createWorker({ store, queue, runtime, dispatcher, logger, concurrency: 50, handOver })
  dispatcher.start()
  dispatcher.offerTo(worker.offer)
  await worker.serve(functions.current().functions)

  const ends = new Map<string, () => void>()
  store.onFinished((runId) => ends.get(runId)?.())
  const subscriptions = functions.subscriptions('queue')
  let count = 0
  return {
    name: handOver
      ? 'Tappet, all roles in one process'
      : `Tappet, through ${engine === 'redis' ? 'Redis' : 'Postgres'}`,
    async once() {
      const id = `${process.pid}-${count++}`
      const event = {
        specversion: '1.0',
        id,
        source: '/bench',
        type: 'queue.message',
        time: new Date().toISOString(),
      } as const
      const accepted = await broker.emit({ ...event, data: { text: 'x'.repeat(88) } }, subscriptions)
      const [runId = ''] = accepted.runIds
      await new Promise<void>((resolve) => {
        ends.set(runId, resolve)
        if (times.ended.delete(runId)) resolve()
      })
      ends.delete(runId)
    },
    breakdown: times.means,
    async close() {
      await broker.stop()
      await worker.stop(1_000)
      await dispatcher.stop()
      await runtime.close()
      await queue.close()
      await store.close()
    },
  }
}

async function refuse(): Promise<never> {
  throw new Error('the benchmark has no host')
}

async function createDatabase(serverUrl: string, name: string): Promise<string> {
  const admin = new pg.Client(serverUrl)
  await admin.connect()
  await admin.query(`create database ${name}`)
  await admin.end()
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const client = new pg.Client(url.href)
  await client.connect()
  await migrate(client, 'ledger')
  await client.end()
  return url.href
}

/** Measures the steps from outside, without a change to what is measured. */
function createTimes() {
  const sums = new Map<string, { count: number; ms: number }>()
  const ended = new Set<string>()
  const timed = async <T>(step: string, work: Promise<T>): Promise<T> => {
    const begun = performance.now()
    const result = await work
    const sum = sums.get(step) ?? { count: 0, ms: 0 }
    sums.set(step, { count: sum.count + 1, ms: sum.ms + performance.now() - begun })
    return result
  }
  return {
    ended,
    means: () => Object.fromEntries([...sums].map(([step, { count, ms }]) => [step, ms / count])),
    watchStore(store: Store): Store {
      store.onFinished((runId) => ended.add(runId))
      return {
        ...store,
        accept: (event) => timed('accept', store.accept(event)),
        claim: (job, workerId) => timed('claim', store.claim(job, workerId)),
        finish: (finish) => timed('finish', store.finish(finish)),
      }
    },
    watchQueue: (queue: Queue): Queue => ({ ...queue, add: (jobs) => timed('queue.add', queue.add(jobs)) }),
  }
}
