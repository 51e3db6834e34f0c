import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { makeProject, type Project, type Running } from '../support/project.ts'
import { type TestDatabase, testDatabase } from '../support/services.ts'

const SHOP = `import { defineWebHandler, http } from 'tappet'
export default defineWebHandler(
  { on: [http.any('/shop/:id'), http.any('/shop/:id/*')], env: ['GREETING'], secrets: ['TOKEN'] },
  async (request, env, ctx) => {
    ctx.log.info('asked with ' + process.env.TOKEN)
    ctx.waitUntil(Promise.reject(new Error('left over')))
    if (ctx.params.id === 'none') throw new Error('there is none')
    return Response.json({ greeting: env.GREETING, body: await request.text(), method: request.method })
  },
)
`
const TOKEN = 'a-token-that-nobody-may-see'

interface Shown {
  readonly run: {
    readonly id: string
    readonly state: string
    readonly result: unknown
    readonly failure: unknown
  }
  readonly logs: readonly { readonly message: string }[]
  readonly attempts: readonly { readonly worker: string | null; readonly meter: Record<string, unknown> }[]
}

describe('web handlers in whole processes', () => {
  let database: TestDatabase
  let project: Project
  let app: Running
  before(async () => {
    database = await testDatabase()
    project = await makeProject({ 'functions/shop.ts': SHOP })
    // Without the role of a worker: requests are answered where they come in.
    app = await project.start({ DATABASE_URL: database.url, TAPPET_ROLES: 'http', GREETING: 'hello', TOKEN })
  })
  after(async () => {
    await project?.remove()
    await database?.drop()
  })
  const shown = (id: string): Promise<Shown> =>
    eventually(async () => {
      const found = await app.api<Shown>(`/_tappet/api/v1/runs/${id}`).catch(() => null)
      return found && ['completed', 'dead'].includes(found.run.state) ? found : null
    }, `run ${id} is written down`)
  const ask = async (id: string): Promise<{ response: Response; id: string }> => {
    const response = await fetch(`${app.url}/shop/${id}`, { method: 'POST', body: 'text' })
    return { response, id: response.headers.get('tappet-run-id') ?? '' }
  }

  it('answer, and their runs are among the others, with what they took and logged', async () => {
    const { response, id } = await ask('7')
    assert.deepEqual(await response.json(), { greeting: 'hello', body: 'text', method: 'POST' })
    const { run, attempts } = await shown(id)
    assert.deepEqual([run.state, run.result], ['completed', { status: 200 }])
    const [{ meter, worker } = { meter: {}, worker: null }] = attempts
    assert.deepEqual([meter.bytesIn, meter.cold, worker === null], [4, true, false])
    const lines = await eventually(async () => {
      const { logs } = await shown(id)
      return logs.length === 2 ? logs.map(({ message }) => message) : null
    }, 'two lines')
    assert.equal(lines[0], 'asked with [secret TOKEN]')
    assert.match(lines[1] ?? '', /^ctx.waitUntil: Error: left over[\s\S]*functions\/shop.ts:6/)
  })

  it('fail without a second try, and are not run again', async () => {
    const { response, id } = await ask('none')
    assert.equal(response.status, 500)
    assert.doesNotMatch(await response.text(), /there is none/)
    const { run } = await shown(id)
    assert.equal(run.state, 'dead')
    assert.match(JSON.stringify(run.failure), /there is none/)
    assert.equal((await app.stop()) ?? 0, 0)
    app = await project.start({ DATABASE_URL: database.url, GREETING: 'hello', TOKEN })
    for (const body of ['{}', '{"data":1}']) {
      const init = { method: 'POST', body, headers: { 'content-type': 'application/json' } }
      await assert.rejects(app.api(`/_tappet/api/v1/runs/${id}/replay`, init), /409 .*TPT_CONFLICT/)
    }
    const { run: kept } = await shown(id)
    assert.deepEqual([kept.state, kept.failure], ['dead', run.failure])
  })

  it('may be invoked with data, and are in the usage', async () => {
    const invoked = await app.api<{
      state: string
      result: { '~response': { status: number; body: string } }
    }>('/_tappet/api/v1/functions/shop/invoke', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ data: { n: 1 }, wait: '10s' }),
    })
    assert.equal(invoked.state, 'completed')
    const answer = JSON.parse(Buffer.from(invoked.result['~response'].body, 'base64').toString()) as object
    assert.deepEqual(answer, { greeting: 'hello', body: '{"n":1}', method: 'POST' })
    const usage = JSON.stringify(await app.api('/_tappet/api/v1/usage'))
    assert.match(usage, /"functionId":"shop"/)
  })

  it('show what is listed of a function', async () => {
    const { functions, triggerProblems } = await app.api<{
      functions: { triggers: { label: string }[] }[]
      triggerProblems: []
    }>('/_tappet/api/v1/functions')
    assert.deepEqual(triggerProblems, [])
    assert.deepEqual(
      functions[0]?.triggers.map(({ label }) => label),
      ['ANY /shop/:id', 'ANY /shop/:id/*'],
    )
  })
})
