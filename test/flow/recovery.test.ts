import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { makeProject, ORACLE, type Project, type Running } from '../support/project.ts'
import { noRedis, testDatabase, testRedis } from '../support/services.ts'

const FUNCTIONS = {
  'functions/slow.ts': `import { defineFunction, queue } from 'tappet'
${ORACLE}
export default defineFunction({ on: queue('slow'), timeout: '60s' }, async (event, ctx) => {
  const { name, ms } = event.data as { name: string; ms: number }
  oracle('start ' + name + ' ' + ctx.attempt)
  await new Promise((resolve) => setTimeout(resolve, ms))
  oracle('end ' + name + ' ' + ctx.attempt)
  return name
})
`,
}

const redis = await testRedis()
const ENGINES = [
  { name: 'Postgres', environment: {}, skip: false },
  { name: 'Redis', environment: redis ? { REDIS_URL: redis.url } : {}, skip: redis ? false : noRedis },
] as const

for (const { name, environment, skip } of ENGINES) {
  describe(`with the queue on ${name}, two processes`, { skip }, () => {
    let database: Awaited<ReturnType<typeof testDatabase>>
    let project: Project
    let env: Record<string, string>
    before(async () => {
      database = await testDatabase()
      project = await makeProject(FUNCTIONS)
      const prefix = `t${process.pid}${Date.now()}`
      env = {
        DATABASE_URL: database.url,
        TAPPET_REDIS_PREFIX: prefix,
        TAPPET_SHUTDOWN_TIMEOUT: '2s',
        ...environment,
      }
    })
    after(async () => {
      await project.remove()
      await database.drop()
    })

    const send = (node: Running, data: object): Promise<{ runs: string[] }> =>
      node.api('/_tappet/queues/slow', {
        method: 'POST',
        body: JSON.stringify(data),
        headers: { 'content-type': 'application/json' },
      })

    it('G2, G6: finishes the run of a worker killed with -9 on the other one, within 15 s, as the same attempt', async () => {
      const first = await project.start(env)
      await send(first, { name: 'a', ms: 4_000 })
      await eventually(async () => (await project.oracle()).includes('start a 1'), 'the run has started')
      const second = await project.start(env)
      const killedAt = performance.now()
      await first.kill()
      await eventually(
        async () => (await project.oracle()).filter((line) => line === 'start a 1').length === 2,
        'it started again',
        15_000,
      )
      const restartedMs = performance.now() - killedAt
      await eventually(async () => (await project.oracle()).includes('end a 1'), 'it ended')
      assert.ok(restartedMs <= 15_000, `restarted after ${restartedMs} ms`)
      assert.equal(await second.stop(), 0)
    })

    it('G2: gives back what it cannot finish at SIGTERM, without using an attempt', async () => {
      const first = await project.start(env)
      await send(first, { name: 'b', ms: 6_000 })
      await eventually(async () => (await project.oracle()).includes('start b 1'), 'the run has started')
      assert.equal(await first.stop(), 0)
      const second = await project.start(env)
      await eventually(
        async () => (await project.oracle()).filter((line) => line === 'start b 1').length === 2,
        'it started again',
        15_000,
      )
      await eventually(async () => (await project.oracle()).includes('end b 1'), 'it ended', 15_000)
      assert.equal(await second.stop(), 0)
    })
  })
}
