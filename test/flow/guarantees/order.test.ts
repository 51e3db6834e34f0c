import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import pg from 'pg'
import { eventually } from '../../support/eventually.ts'
import { makeProject, ORACLE, type Project, type Running } from '../../support/project.ts'
import { noRedis, testDatabase, testRedis } from '../../support/services.ts'

const FUNCTIONS = {
  'functions/steps.ts': `import { defineFunction, queue } from 'tappet'
import * as z from 'zod'
${ORACLE}
const Step = z.object({ key: z.string(), n: z.number() })
export default defineFunction(
  { on: queue('steps', { data: Step }), orderingKey: ({ data }) => data.key, retry: { delay: '100ms' } },
  async ({ data: { key, n } }, { attempt }) => {
    oracle('start ' + key + ' ' + n)
    await new Promise((resolve) => setTimeout(resolve, 5 + (n % 4) * 10))
    if (n % 7 === 0 && attempt === 1) throw new Error('not yet')
    oracle('end ' + key + ' ' + n)
  },
)
`,
  'functions/rows.ts': `import { defineFunction, postgres } from 'tappet'
${ORACLE}
const rows = postgres.table('counters')
export default defineFunction(
  { on: [rows.onInsert(), rows.onUpdate()], orderingKey: ({ change }) => JSON.stringify(change.key) },
  async ({ data }) => {
    const { id, n } = data as { id: number; n: number }
    oracle('start row' + id + ' ' + n)
    await new Promise((resolve) => setTimeout(resolve, n % 3 === 0 ? 20 : 1))
    oracle('end row' + id + ' ' + n)
  },
)
`,
}

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f']
const EACH = 25

/** Each step begins after the one before has ended, and steps are repeated only in their place. */
function assertInOrder(lines: readonly string[], key: string, last: number): void {
  const own = lines.map((line) => line.split(' ')).filter(([, of]) => of === key)
  let ended = -1
  for (const [what, , number] of own) {
    const n = Number(number)
    if (what === 'start')
      assert.ok(n === ended + 1 || n === ended, `${key}: ${n} started when ${ended} had ended`)
    else ended = n
  }
  assert.equal(ended, last, `${key}: all have run`)
}

const redis = await testRedis()
const ENGINES = [
  { name: 'Postgres', environment: {}, skip: false },
  { name: 'Redis', environment: redis ? { REDIS_URL: redis.url } : {}, skip: redis ? false : noRedis },
] as const

for (const { name, environment, skip } of ENGINES) {
  describe(`with the queue on ${name}`, { skip }, () => {
    let database: Awaited<ReturnType<typeof testDatabase>>
    let project: Project
    let client: pg.Client
    let env: Record<string, string>
    before(async () => {
      database = await testDatabase()
      client = new pg.Client(database.url)
      await client.connect()
      await client.query('create table counters (id int primary key, n int not null)')
      project = await makeProject(FUNCTIONS)
      env = {
        DATABASE_URL: database.url,
        TAPPET_REDIS_PREFIX: `t${process.pid}${Date.now()}`,
        ...environment,
      }
      const applied = await project.run(['db', 'apply'], env)
      assert.equal(applied.code, 0, applied.stderr)
    })
    after(async () => {
      await client.end()
      await project.remove()
      await database.drop()
    })

    const send = (node: Running, key: string, n: number): Promise<unknown> =>
      node.api('/_tappet/queues/steps', {
        method: 'POST',
        body: JSON.stringify({ key, n }),
        headers: { 'content-type': 'application/json' },
      })
    const ends = async (): Promise<number> =>
      (await project.oracle()).filter((line) => line.startsWith('end')).length

    it('G5: runs of a key keep their order and never overlap, though runs fail and a worker is killed with -9', async () => {
      const [doomed, other] = [await project.start(env), await project.start(env)]
      const sending = Promise.all(
        KEYS.map(async (key) => {
          for (let n = 0; n < EACH; n++) await send(other, key, n)
        }),
      )
      await eventually(async () => (await ends()) > KEYS.length * 4, 'some have run', 30_000)
      await doomed.kill()
      await sending
      await eventually(
        async () => {
          const lines = new Set(await project.oracle())
          return KEYS.every((key) => lines.has(`end ${key} ${EACH - 1}`))
        },
        'all have run',
        60_000,
      )
      const lines = await project.oracle()
      for (const key of KEYS) assertInOrder(lines, key, EACH - 1)
      assert.equal(await other.stop(), 0)
    })

    it('G5: an orderingKey over the primary key runs the changes of a row in their order', async () => {
      const nodes = [await project.start(env), await project.start(env)]
      for (const id of [1, 2, 3]) await client.query('insert into counters values ($1, 0)', [id])
      for (let n = 1; n < EACH; n++) await client.query('update counters set n = $1', [n])
      await eventually(
        async () => {
          const lines = new Set(await project.oracle())
          return [1, 2, 3].every((id) => lines.has(`end row${id} ${EACH - 1}`))
        },
        'all changes have run',
        60_000,
      )
      const lines = await project.oracle()
      for (const id of [1, 2, 3]) assertInOrder(lines, `row${id}`, EACH - 1)
      for (const node of nodes) assert.equal(await node.stop(), 0)
    })
  })
}
