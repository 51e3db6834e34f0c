import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { Redis } from 'ioredis'
import pg from 'pg'
import { eventually } from '../../support/eventually.ts'
import { makeProject, ORACLE, type Project, type Running } from '../../support/project.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { noRedis, testDatabase } from '../../support/services.ts'

const FUNCTIONS = {
  'functions/work.ts': `import { defineFunction, queue } from 'tappet'
${ORACLE}
export default defineFunction({ on: queue('work') }, async ({ data }, ctx) => {
  await new Promise((resolve) => setTimeout(resolve, 20))
  oracle(String((data as { n: number }).n) + ' ' + ctx.attempt)
})
`,
}
const BACKLOG = 400

const first = await startRedis()

describe('a backlog, and a Redis that fails', { skip: first ? false : noRedis }, () => {
  let redis: RedisServer | null = first
  let database: Awaited<ReturnType<typeof testDatabase>>
  let project: Project
  let env: Record<string, string>
  const port = Number(new URL(first?.url ?? 'redis://x:1').port)
  before(async () => {
    database = await testDatabase()
    project = await makeProject(FUNCTIONS)
    // One by one, so that there is a backlog; the hop over Redis is what is tried.
    env = { DATABASE_URL: database.url, REDIS_URL: first?.url ?? '', TAPPET_CONCURRENCY: '2' }
  })
  let base = 0
  beforeEach(() => {
    base += 10_000
  })
  after(async () => {
    await project.remove()
    await redis?.stop()
    await database.drop()
  })

  async function send(node: Running, from: number, count: number): Promise<void> {
    const events = Array.from({ length: count }, (_, i) => ({
      ...{ specversion: '1.0', id: `work-${from + i}`, source: '/test', type: 'work', data: { n: from + i } },
    }))
    await node.api('/_tappet/events', {
      method: 'POST',
      body: JSON.stringify(events),
      headers: { 'content-type': 'application/cloudevents-batch+json' },
    })
  }
  const done = async (): Promise<string[]> =>
    (await project.oracle()).filter((line) => Number.parseInt(line) >= base)
  /** Each has run, once, with its first attempt. */
  async function allRan(count: number): Promise<void> {
    await eventually(
      async () => new Set(await done()).size >= count && (await open()) === 0,
      'all have run',
      60_000,
    )
    const wanted = Array.from({ length: count }, (_, i) => `${base + i} 1`)
    assert.deepEqual((await done()).toSorted(), wanted.toSorted())
  }
  async function open(): Promise<number> {
    const client = new pg.Client(database.url)
    await client.connect()
    const { rowCount } = await client.query(`select from tappet.runs where finished_at is null`)
    await client.end()
    return rowCount ?? 0
  }
  async function command(...words: [string, ...string[]]): Promise<void> {
    const client = new Redis(redis?.url ?? '')
    await client.call(...words)
    client.disconnect()
  }

  it('G1, G3: after FLUSHALL all of it runs, once', async () => {
    const node = await project.start(env)
    await send(node, base, BACKLOG)
    await eventually(async () => (await done()).length > 20, 'some have run')
    await command('FLUSHALL')
    await allRan(BACKLOG)
    assert.equal(await node.stop(), 0)
  })

  it('G1, G3: after a crash of Redis that comes back empty all of it runs, once', async () => {
    const node = await project.start(env)
    await send(node, base, BACKLOG)
    await eventually(async () => (await done()).length > 20, 'some have run')
    await redis?.stop()
    redis = await startRedis({ port })
    await allRan(BACKLOG)
    assert.equal(await node.stop(), 0)
  })

  it('G1, G9: what is accepted while Redis is full runs', async () => {
    const node = await project.start(env)
    await command('CONFIG', 'SET', 'maxmemory', '1')
    await send(node, base, 50)
    await command('CONFIG', 'SET', 'maxmemory', '0')
    await allRan(50)
    assert.equal(await node.stop(), 0)
  })

  it('G1: what a broker accepted and could not queue before it was killed runs on another', async () => {
    const node = await project.start({ ...env, TAPPET_ROLES: 'http' })
    await redis?.stop()
    await send(node, base, 50)
    await node.kill()
    redis = await startRedis({ port })
    assert.equal((await done()).length, 0)
    const next = await project.start(env)
    await allRan(50)
    assert.equal(await next.stop(), 0)
  })
})
