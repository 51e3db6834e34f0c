import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import pg from 'pg'
import { eventually } from '../support/eventually.ts'
import { makeProject, type Project, type Running } from '../support/project.ts'
import { recordRedis, type RedisRecord } from '../support/redis-record.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { FUNCTIONS, PAGES, withPassword } from '../support/secrets-project.ts'
import { serverUrl, testDatabase } from '../support/services.ts'

const canary = (): string => `canary${randomBytes(12).toString('hex')}`

type Init = Omit<RequestInit, 'headers'> & { readonly headers?: Readonly<Record<string, string>> }

for (const engine of ['postgres', 'redis'] as const)
  describe(`secrets, queue on ${engine}`, () => secretsStay(engine))

function secretsStay(engine: 'postgres' | 'redis'): void {
  /** Every secret that somebody hands to us, by where it is handed over. */
  const secrets: Record<string, string> = {
    database: canary(),
    redis: canary(),
    adminKey: canary(),
    triggerKey: canary(),
    triggerSecret: canary(),
    functionVariable: canary(),
    authorization: canary(),
    proxyAuthorization: canary(),
    cookie: canary(),
    apiKey: canary(),
    token: canary(),
  }
  const headers = {
    authorization: `Bearer ${secrets.authorization}`,
    'proxy-authorization': `Basic ${secrets.proxyAuthorization}`,
    cookie: `session=${secrets.cookie}`,
    'x-api-key': String(secrets.apiKey),
    'x-gitlab-token': String(secrets.token),
    'x-color': 'green',
    'content-type': 'application/json',
  }
  const role = `tappet_test_${randomBytes(6).toString('hex')}`
  let database: Awaited<ReturnType<typeof testDatabase>>
  let redis: RedisServer | null = null
  let record: RedisRecord | null = null
  let project: Project
  let app: Running
  let worker: Running
  let owner: pg.Client
  let environment: Record<string, string>

  before(async () => {
    if (engine === 'redis') {
      redis = await startRedis({ args: ['--requirepass', String(secrets.redis)] })
      if (redis) record = await recordRedis(withPassword(redis.url, 'default', secrets.redis))
    }
    database = await testDatabase()
    owner = new pg.Client(database.url)
    await owner.connect()
    await owner.query(`create role ${role} login password '${secrets.database}'`)
    await owner.query(`grant all on schema public to ${role}`)
    const { rows } = await owner.query<{ name: string }>('select quote_ident(current_database()) as name')
    await owner.query(`grant all on database ${rows[0]?.name} to ${role}`)
    environment = {
      DATABASE_URL: withPassword(database.url, role, secrets.database),
      ...(redis && { REDIS_URL: withPassword(redis.url, '', secrets.redis) }),
      TAPPET_ADMIN_TOKEN: String(secrets.adminKey),
      PAY_KEY: String(secrets.triggerKey),
      HOOK_SECRET: String(secrets.triggerSecret),
      BANK: String(secrets.functionVariable),
      LOG_LEVEL: 'debug',
      TAPPET_ROLES: 'http,triggers',
    }
    project = await makeProject(FUNCTIONS)
    app = await project.start(environment, ['dev', '--port', '0'])
    worker = await project.start(environment, ['start', '--role', 'worker', '--port', '0'])
  })
  after(async () => {
    await project.remove()
    await owner.end()
    await database.drop()
    await record?.stop()
    await redis?.stop()
    const server = new pg.Client(await serverUrl())
    await server.connect()
    await server.query(`drop role ${role}`)
    await server.end()
  })

  /** Fails with the names of the secrets that stand in a text, and where. */
  const assertNone = (text: string, where: string): void => {
    const found = Object.entries(secrets).filter(([, value]) => text.includes(value))
    assert.deepEqual(
      found.map(([name]) => name),
      [],
      where,
    )
  }
  const send = (path: string, init: Init = {}): Promise<Response> =>
    fetch(new URL(path, app.url), {
      method: 'POST',
      body: '{"id":1}',
      ...init,
      headers: { ...headers, ...init.headers },
    })

  it('get into no answer, log, table, job, metric or file', async (t) => {
    if (engine === 'redis' && redis === null) return t.skip('redis-server is not on PATH')
    const paid = await send('/pay', { headers: { 'x-pay': String(secrets.triggerKey) } })
    const { error } = (await paid.json()) as { error: { code: string; message: string } }
    assert.deepEqual([paid.status, error.code], [500, 'TPT_FUNCTION_FAILED'])
    assert.doesNotMatch(error.message, /bank/)
    secrets.signature = createHmac('sha256', String(secrets.triggerSecret)).update('{"id":1}').digest('hex')
    const hooked = await send('/hook', { headers: { 'x-hub-signature-256': `sha256=${secrets.signature}` } })
    assert.equal(hooked.status, 200)
    assertNone(await hooked.text(), 'the event that a function is given')
    await owner.query('insert into things values (1)')
    const made = await app.api<{ secret: string }>('/_tappet/api/v1/keys', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"name":"a key","scopes":["read"]}',
    })
    secrets.issuedKey = made.secret
    const { runs } = await eventually(async () => {
      const page = await app.api<{ runs: { id: string }[] }>('/_tappet/api/v1/runs', {
        headers: { authorization: `Bearer ${made.secret}` },
      })
      return page.runs.length >= 3 ? page : null
    }, 'three runs')

    await assertAnswers(runs.map(({ id }) => id))
    await assertRefusals()
    await assertCommands()
    const dumps = await Promise.all(
      (await tables()).map(async (table) => [table, await dump(table)] as const),
    )
    const logs = [
      ['the log of dev', app.output()],
      ['the log of a worker', worker.output()],
    ] as const
    for (const [where, text] of [...logs, ...dumps, ...(await files())]) assertNone(text, where)
    for (const text of [app.output() + worker.output(), JSON.stringify(dumps)])
      assert.match(text, /the bank is closed/, 'looked at too little')
    assert.match(JSON.stringify(dumps), /POST \/_tappet\/api\/v1\/keys/, 'the audit log')
    assert.match(JSON.stringify(dumps), /x-color\\":\\"green/, 'looked at too little')
    if (record) {
      assertNone(await record.keys(), 'the keys of Redis')
      assertNone(record.commands(), 'the commands to Redis')
      assert.match(record.commands(), new RegExp(String(runs[0]?.id)), 'looked at too little')
    }
  })

  it('are not in what is said about servers that are away', async (t) => {
    const away = (name: string): Record<string, string> => {
      const url = new URL(environment[name] ?? '')
      url.port = '1'
      return { ...environment, [name]: url.href }
    }
    const cases = [
      { without: 'DATABASE_URL', args: ['start', '--wait', '1s'] },
      { without: 'DATABASE_URL', args: ['migrate', '-v'] },
      { without: 'DATABASE_URL', args: ['start', '--json', '--wait', '0s'] },
      { without: 'REDIS_URL', args: ['start', '--port', '0', '--wait', '1s'] },
    ]
    for (const { without, args } of cases) {
      if (environment[without] === undefined) continue
      const { code, stdout, stderr } = await project.run(args, away(without))
      assert.equal(code, 4, stderr)
      assertNone(stdout + stderr, `${args.join(' ')} without ${without}`)
    }
    if (engine === 'redis' && redis === null) t.skip('redis-server is not on PATH')
  })

  async function assertAnswers(runIds: readonly string[]): Promise<void> {
    for (const page of [...PAGES, ...runIds.map((id) => `/runs/${id}`)])
      assertNone(JSON.stringify(await app.api(`/_tappet/api/v1${page}`)), page)
    const key = { headers: { authorization: `Bearer ${app.key}` } }
    for (const page of ['/readyz', '/metrics', `/_tappet/runs/${runIds[0]}`]) {
      const response = await fetch(new URL(page, app.url), key)
      assert.equal(response.status, 200)
      assertNone(await response.text(), page)
    }
  }

  async function assertRefusals(): Promise<void> {
    const wrong = `sha256=${'0'.repeat(64)}`
    const asked: readonly [number, string, Init?][] = [
      [401, '/pay'],
      [400, '/pay', { headers: { 'x-pay': String(secrets.triggerKey) }, body: `{"${secrets.cookie}` }],
      [401, '/hook', { headers: { 'x-hub-signature-256': wrong } }],
      [404, '/nowhere'],
      [401, '/_tappet/api/v1/keys'],
      [403, '/_tappet/api/v1/keys', { headers: { authorization: `Bearer ${secrets.issuedKey}` } }],
      [422, '/_tappet/api/v1/keys', { headers: { authorization: `Bearer ${app.key}` } }],
    ]
    for (const [status, path, init] of asked) {
      const response = await send(path, init)
      const text = await response.text()
      assert.equal(response.status, status, `${path}: ${text}`)
      assertNone(text + JSON.stringify([...response.headers]), `the refusal of ${path}`)
    }
  }

  async function assertCommands(): Promise<void> {
    for (const command of [
      ['functions', '--json'],
      ['doctor', '--json'],
      ['runs', 'list', '-v'],
      ['keys', 'list', '--json'],
    ]) {
      const { stdout, stderr } = await project.run(command, environment)
      assert.ok(stdout.length > 0, command.join(' '))
      assertNone(stdout + stderr, command.join(' '))
    }
  }

  /** What Tappet keeps on the disk, but for the one file that holds a secret. */
  async function files(): Promise<(readonly [string, string])[]> {
    const folder = join(project.folder, '.tappet')
    const found = await readdir(folder, { recursive: true, withFileTypes: true })
    const paths = found
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
    assert.ok(paths.includes(join(folder, 'running.json')))
    const kept = paths.filter((path) => path !== join(folder, 'admin.key'))
    return Promise.all(kept.map(async (path) => [path, await readFile(path, 'latin1')] as const))
  }

  async function tables(): Promise<string[]> {
    const { rows } = await owner.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname in ('tappet', 'tappet_queue')`,
    )
    assert.ok(rows.length > 10, 'the ledger and the queue')
    return rows.map(({ name }) => name)
  }

  async function dump(table: string): Promise<string> {
    const { rows } = await owner.query(`select * from ${table}`)
    return JSON.stringify(rows)
  }
}
