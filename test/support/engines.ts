import { startRedis } from './redis-server.ts'

export type QueueEngine = 'redis' | 'postgres'

/** Both, unless one is asked for; without `redis-server` on the PATH only Postgres, and it says so. */
export async function chooseEngines(command: string, asked: string): Promise<readonly QueueEngine[]> {
  if (asked === 'redis' || asked === 'postgres') return [asked]
  if (asked !== 'both')
    throw new Error(`--engine must be redis, postgres or both, got ${JSON.stringify(asked)}`)
  const redis = await startRedis()
  await redis?.stop()
  if (redis) return ['redis', 'postgres']
  console.log(`${command}: the queue on Redis is left out, because redis-server is not on the PATH`)
  return ['postgres']
}
