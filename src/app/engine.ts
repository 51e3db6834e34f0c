import type { Config } from '../config.ts'
import type { Logger } from '../lib/log.ts'
import { createPostgresQueue } from '../queue/bullmq-postgres.ts'
import { createRedisQueue } from '../queue/bullmq-redis.ts'
import type { Queue } from '../queue/queue.ts'

/** The queue on Redis when it is given, else on the ledger's Postgres. */
export function openQueue(config: Config, databaseUrl: string, logger: Logger): Promise<Queue> {
  const { redisUrl: url, redisPrefix: prefix } = config
  if (url === null) return createPostgresQueue({ url: databaseUrl, logger })
  return createRedisQueue({ url, logger, ...(prefix !== null && { prefix }) })
}
