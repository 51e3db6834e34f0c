import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import pg from 'pg'
import { eventually } from '../../support/eventually.ts'
import { makeProject, ORACLE, type Project, type Running } from '../../support/project.ts'
import { testDatabase } from '../../support/services.ts'

const FUNCTIONS = {
  'functions/pay.ts': `import { defineFunction, queue } from 'tappet'
${ORACLE}
export default defineFunction({ on: queue('pay'), retry: { delay: '100ms' } }, async ({ data }, ctx) => {
  const { n, dies } = data as { n: number; dies: boolean }
  const client = await ctx.db.connect()
  try {
    await client.query('begin')
    const first = await ctx.once(client)
    if (first) await client.query('insert into payments values ($1)', [n])
    await client.query('commit')
    oracle(n + ' ' + first)
    if (dies && ctx.attempt === 1) process.exit(3)
  } finally {
    client.release()
  }
})
`,
  'functions/shared.ts': `import { defineFunction, queue } from 'tappet'
${ORACLE}
export default defineFunction({ on: queue('shared'), retry: { attempts: 50, delay: '10ms' } }, async ({ data }, ctx) => {
  const { n, poison } = data as { n: number; poison: boolean }
  await new Promise((resolve) => setTimeout(resolve, 100))
  oracle((poison ? 'poison ' : 'innocent ') + n + ' ' + ctx.attempt)
  if (poison) process.kill(process.pid, 'SIGSEGV')
  if (poison) await new Promise(() => undefined)
})
`,
}

describe('a function whose process dies', () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  let project: Project
  let node: Running
  let client: pg.Client
  before(async () => {
    database = await testDatabase()
    client = new pg.Client(database.url)
    await client.connect()
    await client.query('create table payments (n int)')
    project = await makeProject(FUNCTIONS)
    node = await project.start({ DATABASE_URL: database.url })
  })
  after(async () => {
    assert.equal(await node.stop(), 0)
    await project.remove()
    await client.end()
    await database.drop()
  })

  const send = (queue: string, data: object): Promise<{ runs: string[] }> =>
    node.api(`/_tappet/queues/${queue}`, {
      method: 'POST',
      body: JSON.stringify(data),
      headers: { 'content-type': 'application/json' },
    })
  interface Run {
    readonly state: string
    readonly attempt: number
    readonly failure: { readonly code: string } | null
  }
  const ended = async (sent: readonly { runs: string[] }[]): Promise<Run[]> => {
    const runs = await Promise.all(
      sent.map(({ runs: [id] }) =>
        node.api<{ run: Run }>(`/_tappet/api/v1/runs/${id}`).then(({ run }) => run),
      ),
    )
    return runs.every(({ state }) => state === 'completed' || state === 'dead') ? runs : []
  }

  it('G4: has its effect once by ctx.once, though it dies after its commit and runs again', async () => {
    const sent = await Promise.all([1, 2, 3].map((n) => send('pay', { n, dies: n === 2 })))
    const runs = await eventually(
      async () => ((await ended(sent)).length > 0 ? ended(sent) : null),
      'all are over',
      30_000,
    )
    assert.deepEqual(
      runs.map(({ state }) => state),
      ['completed', 'completed', 'completed'],
    )
    assert.ok((await project.oracle()).includes('2 false'), 'it ran again')
    const { rows } = await client.query<{ n: number }>('select n from payments order by n')
    assert.deepEqual(
      rows.map(({ n }) => n),
      [1, 2, 3],
    )
  })

  it('G10: is a dead letter after three times by itself, and fails nobody beside it', async () => {
    const sent = await Promise.all(
      Array.from({ length: 24 }, (_, n) => send('shared', { n, poison: n % 12 === 5 })),
    )
    const runs = await eventually(
      async () => ((await ended(sent)).length > 0 ? ended(sent) : null),
      'all are over',
      60_000,
    )
    runs.forEach(({ state, attempt, failure }, n) => {
      if (n % 12 !== 5) assert.deepEqual([state, attempt], ['completed', 1], `innocent ${n}`)
      else assert.deepEqual([state, attempt, failure?.code], ['dead', 3, 'TPT_FUNCTION_CRASHED'])
    })
  })
})
