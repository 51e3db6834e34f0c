import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { silentLogger } from '../../src/lib/log.ts'
import { createRedisQueue } from '../../src/queue/bullmq-redis.ts'
import type { Queue } from '../../src/queue/queue.ts'
import { conformsToQueue, handling, someJobs } from '../conformance/queue.ts'
import { recoversFromKilledWorkers } from '../conformance/queue-recovery.ts'
import { eventually } from '../support/eventually.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'

/** The line of the manual, as it stands there. */
const manual = await readFile(new URL('../../docs/security.md', import.meta.url), 'utf8')
const setUser = /^ACL SETUSER (\S+) .*>(\S+) .*$/m.exec(manual)
assert.ok(setUser, 'no ACL line in docs/security.md')
const [line, user = '', password = ''] = setUser

const server = await startRedis()

describe(
  'the Redis user of docs/security.md',
  { skip: server === null && 'redis-server is not on PATH' },
  () => {
    const { url = '' } = server ?? ({} as Partial<RedisServer>)
    const restricted = new URL(url || 'redis://127.0.0.1')
    restricted.username = user
    restricted.password = password
    let admin: Redis

    before(async () => {
      admin = new Redis(url)
      const [command = '', ...args] = line.split(' ')
      await admin.call(command, ...args)
      await admin.set('{other}:secret', 'of somebody else')
      await admin.call('ACL', 'LOG', 'RESET')
    })
    after(async () => {
      await admin.quit()
      await server?.stop()
    })
    const make = (): Promise<Queue> => createRedisQueue({ url: restricted.href, logger: silentLogger })
    const denied = async (): Promise<unknown[]> => (await admin.call('ACL', 'LOG')) as unknown[]

    conformsToQueue('the Redis queue as that user', make)
    recoversFromKilledWorkers(make, () => ({ engine: 'redis', url: restricted.href, namespace: 'tappet' }))

    test('it was refused nothing so far, also after Redis lost everything', async () => {
      const queue = await make()
      const jobs = someJobs(20)
      const { handled } = await handling(queue, jobs[0].functionId)
      await admin.flushall()
      await admin.set('{other}:secret', 'of somebody else')
      await queue.add(jobs)
      await eventually(() => handled.length >= jobs.length, 'all jobs')
      await queue.close()
      assert.deepEqual(await denied(), [])
    })

    test('it can do nothing else', async () => {
      const client = new Redis(restricted.href)
      try {
        assert.equal(await client.set('{tappet}:mine', 'x'), 'OK')
        const refused: readonly (readonly [string, ...string[]])[] = [
          ['GET', '{other}:secret'],
          ['EVAL', "return redis.call('get', '{other}:secret')", '0'],
          ['SET', 'tappet', '1'],
          ['COPY', '{other}:secret', '{tappet}:mine'],
          ['RENAME', '{tappet}:mine', '{other}:mine'],
          ...['KEYS *', 'SCAN 0', 'RANDOMKEY', 'DBSIZE', 'FLUSHALL', 'FLUSHDB', 'SWAPDB 0 1', 'MONITOR'],
          ...['CONFIG GET *', 'ACL LIST', 'CLIENT LIST', 'CLIENT KILL TYPE normal', 'SHUTDOWN'],
          ...[
            'SCRIPT FLUSH',
            'FUNCTION LIST',
            'PUBLISH x y',
            'SUBSCRIBE x',
            'SAVE',
            'REPLICAOF NO ONE',
            'MODULE LIST',
          ],
        ].map(
          (command) => (typeof command === 'string' ? command.split(' ') : command) as [string, ...string[]],
        )
        for (const [command, ...args] of refused)
          await assert.rejects(
            client.call(command, ...args),
            /^ReplyError: (NOPERM|ERR (ACL failure|The user executing the script can't access))/,
            command,
          )
      } finally {
        client.disconnect()
      }
    })
  },
)
