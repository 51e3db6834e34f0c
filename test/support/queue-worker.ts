/** A process with a consumer whose work never ends, to be killed. Prints the id of each run that it gets. */
import { silentLogger } from '../../src/lib/log.ts'
import { createPostgresQueue } from '../../src/queue/bullmq-postgres.ts'
import { createRedisQueue } from '../../src/queue/bullmq-redis.ts'

const [engine, url = '', namespace = '', functionId = ''] = process.argv.slice(2)
const logger = silentLogger
const queue =
  engine === 'redis'
    ? await createRedisQueue({ url, prefix: namespace, logger })
    : await createPostgresQueue({ url, schema: namespace, logger })
await queue.consume({ functionId, concurrency: 1, limit: null }, ({ runId }) => {
  process.stdout.write(`${runId}\n`)
  return new Promise(() => undefined)
})
