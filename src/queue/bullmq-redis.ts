import { createRedisBackend } from 'bullmq'
import { Redis } from 'ioredis'
import { TappetError } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import { withDeadline } from '../lib/service.ts'
import { createBullQueue } from './bullmq.ts'
import { createCensus } from './census.ts'
import { type Engine, LEASE_OPTIONS } from './bullmq-engine.ts'
import { messageOf, watchHealth } from './health.ts'
import type { Queue } from './queue.ts'
import { BLOCK_SECONDS, createRedisWakeups } from './redis-wakeups.ts'

export interface RedisQueueOptions {
  /** `redis://`, `rediss://` (TLS), or the same with `valkey`. */
  readonly url: string
  /** What all keys begin with, in braces, so that a Cluster keeps them in one slot. Default `tappet`. */
  readonly prefix?: string
  readonly logger: Logger
}

const CONNECT_MS = 1_800
/** A server that is silent for this long while it owes a reply counts as dead. */
const SILENCE_MS = 3_000
const MAX_RECONNECT_MS = 1_000

/**
 * A queue on Redis or Valkey. Two connections, and one more per 250 functions, whatever their number.
 *
 * @throws TappetError TPT_UNAVAILABLE when the server does not answer within 2 s.
 */
export async function createRedisQueue({
  url,
  prefix = 'tappet',
  logger,
}: RedisQueueOptions): Promise<Queue> {
  const keyPrefix = prefix.includes('{') ? prefix : `{${prefix}}`
  const options = connectionOptions(keyPrefix)
  const commands = new Redis(asRedisUrl(url), { ...options, socketTimeout: SILENCE_MS })
  await connected(commands)
  await checkEviction(commands, logger)
  return createBullQueue(createEngine({ url, keyPrefix, commands, options, logger }), logger)
}

interface EngineOptions {
  readonly url: string
  readonly keyPrefix: string
  readonly commands: Redis
  readonly options: ReturnType<typeof connectionOptions>
  readonly logger: Logger
}

function createEngine({ url, keyPrefix, commands, options, logger }: EngineOptions): Engine {
  const health = watchHealth(logger)
  const lost = (): void => health.lost('closed')
  commands.on('close', lost)
  commands.on('ready', () => health.restored())
  // We have looked at what BullMQ would look at, and say it in our log.
  const backendOptions = { connection: commands, prefix: keyPrefix, skipVersionCheck: true, ...LEASE_OPTIONS }
  const root = createRedisBackend('', backendOptions)
  root.on('error', (error: unknown) => health.failed(error))
  const wakeups = createRedisWakeups({
    commands,
    keyPrefix,
    markerOf: (queueName) => `${keyPrefix}:${queueName}:marker`,
    connect: () =>
      quiet(new Redis(asRedisUrl(url), { ...options, socketTimeout: (BLOCK_SECONDS + 3) * 1_000 })),
  })
  const census = createCensus(async (queueNames) => {
    const keys = queueNames.flatMap((name) => [`${keyPrefix}:${name}:wait`, `${keyPrefix}:${name}:active`])
    const counts = await commands.eval(CENSUS, keys.length, ...keys)
    return (counts as readonly number[]).map((bits) => ({ waiting: bits % 2 === 1, active: bits >= 2 }))
  }, LEASE_OPTIONS.stalledInterval)
  return {
    name: 'redis',
    forgetful: true,
    health,
    ...{ wakeups, census },
    backend: (queueName) => root.forQueue(queueName),
    add: (backend, jobs) => backend.addJobs(jobs.map((job) => ({ job, jobId: job.id }))),
    async holds(jobs) {
      const pipeline = commands.pipeline()
      for (const { queueName, id } of jobs) pipeline.exists(`${keyPrefix}:${queueName}:${id}`)
      const replies = (await pipeline.exec()) ?? []
      return replies.map(([error, count]) => {
        if (error !== null) throw error
        return count === 1
      })
    },
    wake: (queueName) => commands.zadd(`${keyPrefix}:${queueName}:marker`, 0, '0'),
    ping: () => commands.ping(),
    async close() {
      commands.off('close', lost)
      census.close()
      wakeups.close()
      commands.disconnect()
    },
  }
}

/** For each two keys, the waiting and the active jobs of a queue: 1 when there are some that wait, and 2 more when some are active. */
const CENSUS = `
  local counts = {}
  for i = 1, #KEYS, 2 do
    counts[#counts + 1] = redis.call('EXISTS', KEYS[i]) + 2 * redis.call('EXISTS', KEYS[i + 1])
  end
  return counts`

function connectionOptions(connectionName: string) {
  return {
    connectionName,
    // A command is sent now, to a server that is there, or fails now. Who needs it sends it again.
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: CONNECT_MS,
    retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 10), MAX_RECONNECT_MS),
    // After a failover the old primary is a replica.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  }
}

function asRedisUrl(url: string): string {
  return url.replace(/^valkey(s?):/, 'redis$1:')
}

async function connected(redis: Redis): Promise<void> {
  let reason: unknown = `no answer within ${CONNECT_MS} ms`
  redis.on('error', (error) => (reason = error))
  const ready = new Promise<void>((resolve) => redis.once('ready', resolve))
  const toError = (): TappetError =>
    new TappetError('TPT_UNAVAILABLE', `queue: expected Redis to answer, got: ${messageOf(reason)}`, {
      cause: reason,
    })
  try {
    await withDeadline(ready, CONNECT_MS, toError)
  } catch (error) {
    redis.disconnect()
    throw error
  }
}

/** ioredis prints errors that nobody listens to. Those of this connection show in the calls that fail. */
function quiet(redis: Redis): Redis {
  return redis.on('error', () => undefined)
}

async function checkEviction(redis: Redis, logger: Logger): Promise<void> {
  const info = await redis.info('memory').catch(() => '')
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction'
  if (policy === 'noeviction') return
  logger.warn({ policy }, 'Redis may throw jobs away: its maxmemory-policy should be noeviction')
}
