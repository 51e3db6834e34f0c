import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { openFunctions } from '../../src/app/functions.ts'
import { createBroker } from '../../src/broker.ts'
import { readConfig } from '../../src/config.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { createPostgresQueue } from '../../src/queue/bullmq-postgres.ts'
import { createRedisQueue } from '../../src/queue/bullmq-redis.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { createPostgresStore } from '../../src/store/postgres/store.ts'
import { createDispatcher } from '../../src/worker/dispatcher.ts'
import { createWorker } from '../../src/worker/worker.ts'
import type { OpenSide } from '../harness/side.ts'

const NO_OP = `import { defineFunction, queue } from 'tappet'
export default defineFunction({ on: queue('no-op') }, () => null)
`

/** The whole way: ledger, queue, lease, a function in a process of its own, result in the ledger. */
export const emitAndWorker: OpenSide = async ({
  engine,
  handOver,
  databaseUrl: url,
  redisUrl,
  folder: root,
}) => {
  await mkdir(join(root, 'functions'), { recursive: true })
  await symlink(join(import.meta.dirname, '..', '..', 'node_modules'), join(root, 'node_modules'))
  await writeFile(join(root, 'functions', 'no-op.ts'), NO_OP)
  const client = new pg.Client(url)
  await client.connect()
  await migrate(client, 'ledger')
  await client.end()
  const logger = silentLogger
  const store = createPostgresStore(createPool({ url, logger, max: 20 }))
  const queue = await (engine === 'redis'
    ? createRedisQueue({ url: redisUrl, prefix: `tappet-${process.pid}`, logger })
    : createPostgresQueue({ url, logger }))
  const host = { send: refuse, fileInfo: refuse, fileRead: refuse }
  const config = readConfig(process.env, { root })
  const functions = await openFunctions({ config, databaseUrl: url, host, onLog: () => undefined, logger })
  const dispatcher = createDispatcher({ store, queue, logger })
  const { runtime } = functions
  const broker = createBroker({ store, runtime, dispatcher, logger, findFunction: functions.find })
  const worker = createWorker({
    ...{ store, queue, runtime, dispatcher, logger, concurrency: 50 },
    handOver: handOver === 'yes',
  })
  dispatcher.start()
  dispatcher.offerTo(worker)
  await worker.serve(functions.current().functions)

  const ends = new Map<string, () => void>()
  const early = new Set<string>()
  store.onFinished((runId) => {
    const end = ends.get(runId)
    if (end) end()
    else early.add(runId)
    ends.delete(runId)
  })
  const subscriptions = functions.subscriptions('queue')
  let count = 0
  return {
    async once(bytes) {
      const id = `${process.pid}-${count++}`
      const event = {
        specversion: '1.0',
        id,
        source: '/bench',
        type: 'queue.message',
        time: new Date().toISOString(),
        data: { text: 'x'.repeat(bytes - 12) },
      } as const
      const { runIds } = await broker.emit(event, subscriptions)
      const [runId = ''] = runIds
      if (!early.delete(runId)) await new Promise<void>((resolve) => ends.set(runId, resolve))
    },
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
