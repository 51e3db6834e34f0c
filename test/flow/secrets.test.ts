import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import pg from 'pg'
import { eventually } from '../support/eventually.ts'
import { makeProject, type Project, type Running } from '../support/project.ts'
import { serverUrl, testDatabase } from '../support/services.ts'

const canary = (): string => `canary${randomBytes(12).toString('hex')}`

/** Every secret that somebody hands to us, by where it is handed over. */
const SECRETS = {
  database: canary(),
  adminKey: canary(),
  triggerKey: canary(),
  functionVariable: canary(),
  authorization: canary(),
  cookie: canary(),
}

const FUNCTIONS = {
  'functions/pay.ts': `import { defineFunction, http, signature } from 'tappet'
export default defineFunction(
  { on: http.post('/pay', { verify: signature.apiKey('PAY_KEY', { header: 'x-pay' }), wait: '10s' }), retry: false, env: ['BANK'] },
  (event, ctx) => {
    if (!process.env.BANK) throw new Error('expected its variable')
    ctx.log.info({ event }, 'paid')
    throw new Error('the bank is closed')
  },
)
`,
  'functions/watch.ts': `import { defineFunction, postgres } from 'tappet'
export default defineFunction({ on: postgres.table('things').onInsert() }, () => null)
`,
  'functions/broken.ts': `throw new Error('not today')
`,
  'functions/schema.sql': 'create table if not exists things (id int primary key)',
}

describe('secrets', () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  let project: Project
  let app: Running
  let owner: pg.Client
  let environment: Record<string, string>
  const role = `tappet_test_${randomBytes(6).toString('hex')}`

  before(async () => {
    database = await testDatabase()
    owner = new pg.Client(database.url)
    await owner.connect()
    await owner.query(`create role ${role} login password '${SECRETS.database}'`)
    await owner.query(`grant all on schema public to ${role}`)
    const { rows } = await owner.query<{ name: string }>('select quote_ident(current_database()) as name')
    await owner.query(`grant all on database ${rows[0]?.name} to ${role}`)
    const url = new URL(database.url)
    url.username = role
    url.password = SECRETS.database
    environment = {
      DATABASE_URL: url.href,
      TAPPET_ADMIN_TOKEN: SECRETS.adminKey,
      PAY_KEY: SECRETS.triggerKey,
      BANK: SECRETS.functionVariable,
      LOG_LEVEL: 'debug',
    }
    project = await makeProject(FUNCTIONS)
    app = await project.start(environment, ['dev', '--port', '0'])
  })
  after(async () => {
    await project.remove()
    await owner.end()
    await database.drop()
    const server = new pg.Client(await serverUrl())
    await server.connect()
    await server.query(`drop role ${role}`)
    await server.end()
  })

  /** Fails with the names of the secrets that stand in a text, and where. */
  const assertNone = (text: string, where: string): void => {
    const found = Object.entries(SECRETS).filter(([, value]) => text.includes(value))
    assert.deepEqual(
      found.map(([name]) => name),
      [],
      where,
    )
  }

  it('get into no answer, log, table, job or metric', async () => {
    const headers = {
      'x-pay': SECRETS.triggerKey,
      'content-type': 'application/json',
      authorization: `Bearer ${SECRETS.authorization}`,
      cookie: `session=${SECRETS.cookie}`,
    }
    const paid = await fetch(new URL('/pay', app.url), { method: 'POST', headers, body: '{"id":1}' })
    const { error } = (await paid.json()) as { error: { code: string; message: string } }
    assert.deepEqual([paid.status, error.code], [500, 'TPT_FUNCTION_FAILED'])
    assert.doesNotMatch(error.message, /bank/)
    await owner.query('insert into things values (1)')
    const { runs } = await eventually(async () => {
      const page = await app.api<{ runs: { id: string }[] }>('/_tappet/api/v1/runs')
      return page.runs.length >= 2 ? page : null
    }, 'both runs')

    const pages = ['/functions', '/runs', '/dead', '/dead?grouped=true', '/status', '/schedules']
    for (const page of [...pages, ...runs.map(({ id }) => `/runs/${id}`)])
      assertNone(JSON.stringify(await app.api(`/_tappet/api/v1${page}`)), page)
    const key = { headers: { authorization: `Bearer ${app.key}` } }
    for (const page of ['/readyz', '/metrics', `/_tappet/runs/${runs[0]?.id}`]) {
      const response = await fetch(new URL(page, app.url), key)
      assert.equal(response.status, 200)
      assertNone(await response.text(), page)
    }
    for (const command of [
      ['functions', '--json'],
      ['doctor', '--json'],
      ['runs', 'list', '-v'],
    ]) {
      const { stdout, stderr } = await project.run(command, environment)
      assert.ok(stdout.length > 0, command.join(' '))
      assertNone(stdout + stderr, command.join(' '))
    }
    const dumps = await Promise.all(
      (await tables()).map(async (table) => [table, await dump(table)] as const),
    )
    for (const [where, text] of [['the log', app.output()] as const, ...dumps]) assertNone(text, where)
    for (const text of [app.output(), JSON.stringify(dumps)])
      assert.match(text, /the bank is closed/, 'looked at too little')
  })

  it('are not in what is said about a database that is away', async () => {
    const url = new URL(environment.DATABASE_URL ?? '')
    url.port = '1'
    for (const args of [
      ['start', '--wait', '1s'],
      ['migrate', '-v'],
      ['start', '--json', '--wait', '0s'],
    ]) {
      const { code, stdout, stderr } = await project.run(args, { ...environment, DATABASE_URL: url.href })
      assert.equal(code, 4, stderr)
      assertNone(stdout + stderr, args.join(' '))
    }
  })

  async function tables(): Promise<string[]> {
    const { rows } = await owner.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname like 'tappet%'`,
    )
    assert.ok(rows.length > 10, 'the ledger and the queue')
    return rows.map(({ name }) => name)
  }

  async function dump(table: string): Promise<string> {
    const { rows } = await owner.query(`select * from ${table}`)
    return JSON.stringify(rows)
  }
})
