import { Redis } from 'ioredis'

export interface RedisRecord {
  /** Every command with its arguments, scripts' own included, since the record began. */
  commands(): string
  /** Every key with its value. */
  keys(): Promise<string>
  stop(): Promise<void>
}

/** Listens to all that a Redis is told. */
export async function recordRedis(url: string): Promise<RedisRecord> {
  const client = new Redis(url)
  const monitor = await client.monitor()
  const heard: string[] = []
  monitor.on('monitor', (_time: string, args: readonly string[]) => heard.push(args.join(' ')))
  return {
    commands: () => heard.join('\n'),
    async keys() {
      const found: string[] = []
      for await (const keys of client.scanStream({ count: 1_000 }))
        for (const key of keys as string[]) found.push(`${key} ${JSON.stringify(await valueOf(client, key))}`)
      return found.join('\n')
    },
    async stop() {
      monitor.disconnect()
      client.disconnect()
    },
  }
}

async function valueOf(client: Redis, key: string): Promise<unknown> {
  const type = await client.type(key)
  if (type === 'string') return client.get(key)
  if (type === 'hash') return client.hgetall(key)
  if (type === 'list') return client.lrange(key, 0, -1)
  if (type === 'set') return client.smembers(key)
  if (type === 'zset') return client.zrange(key, '0', '-1')
  if (type === 'stream') return client.xrange(key, '-', '+')
  if (type === 'none') return null
  throw new Error(`${key}: do not know how to read a ${type}`)
}
