import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import pg from 'pg'
import { eventually } from '../support/eventually.ts'
import { makeProject, type Project, type Running } from '../support/project.ts'
import { withPassword } from '../support/secrets-project.ts'
import { serverUrl, testDatabase } from '../support/services.ts'

const fn = (
  on: string,
): string => `import { cron, defineFunction, http, postgres, queue, upload } from 'tappet'
export default defineFunction({ on: ${on} }, async (event, ctx) => {
  if (event.type === 'http.request') await ctx.send(queue('jobs'), { from: 'a function' })
  return null
})
`
const FUNCTIONS = {
  'functions/asked.ts': fn(`http.post('/asked', { wait: '10s' })`),
  'functions/watch.ts': fn(`postgres.table('things', { exclude: ['note'] }).onInsert()`),
  'functions/stored.ts': fn(`upload('files/*')`),
  'functions/tick.ts': fn(`cron('* * * * * *')`),
  'functions/jobs.ts': fn(`queue('jobs')`),
}
const PASSWORD = randomBytes(12).toString('hex')

describe('the roles of `tappet db grants`', () => {
  const prefix = `tappet_test_${randomBytes(6).toString('hex')}`
  const [owner, installer, runtime, author, shop] = ['owner', 'installer', 'runtime', 'author', 'shop'].map(
    (name) => `${prefix}_${name}`,
  ) as [string, string, string, string, string]
  let database: Awaited<ReturnType<typeof testDatabase>>
  let admin: pg.Client
  let project: Project
  let app: Running | null = null

  const urlOf = (role: string): string => withPassword(database.url, role, PASSWORD)
  const as = async <T>(role: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client(urlOf(role))
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }
  const refused = (role: string, sql: string): Promise<void> =>
    as(role, (client) => assert.rejects(client.query(sql), { code: '42501' }, `${role}: ${sql}`))
  const run = async (role: string, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await project.run(args, { DATABASE_URL: urlOf(role) })
    assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`)
    return stdout
  }

  before(async () => {
    database = await testDatabase()
    admin = new pg.Client(database.url)
    await admin.connect()
    project = await makeProject(FUNCTIONS)
    const printed = await project.run(['db', 'grants', '--prefix', prefix])
    assert.equal(printed.code, 0, printed.stderr)
    await admin.query(printed.stdout)
    for (const role of [installer, runtime]) await admin.query(`alter role ${role} password '${PASSWORD}'`)
    for (const role of [author, shop]) await admin.query(`create role ${role} login password '${PASSWORD}'`)
    await admin.query(`grant usage, create on schema public to ${author}; grant ${author} to ${installer}`)
    await as(author, (client) =>
      client.query(`create table things (id int primary key, note text); create table private (secret text);
                    grant insert on things to ${shop}`),
    )
  })
  after(async () => {
    await project.remove()
    await admin.end()
    await database.drop()
    const server = new pg.Client(await serverUrl())
    await server.connect()
    for (const role of [installer, runtime, author, shop, owner]) await server.query(`drop role ${role}`)
    await server.end()
  })

  it('the run-time role may not migrate, and says who may', async () => {
    const { code, stderr } = await project.run(['start', '--port', '0', '--wait', '0s'], {
      DATABASE_URL: urlOf(runtime),
    })
    assert.notEqual(code, 0)
    assert.match(stderr, /TPT_MIGRATION_PENDING/)
    assert.match(stderr, /tappet migrate/)
  })

  it('the installer migrates; all belongs to the owner', async () => {
    assert.match(await run(installer, 'migrate'), /ledger\/0001/)
    assert.match(await run(installer, 'migrate'), /up to date/)
    assert.match(await run(installer, 'db', 'apply'), /things trigger/)
    const { rows } = await admin.query<{ owner: string }>(`
      select distinct pg_get_userbyid(relowner) as owner from pg_class
       where relnamespace in ('tappet'::regnamespace, 'tappet_queue'::regnamespace)
      union select pg_get_userbyid(proowner) from pg_proc
       where pronamespace in ('tappet'::regnamespace, 'tappet_queue'::regnamespace)`)
    assert.deepEqual(rows, [{ owner }])
    // Over what is there already, too.
    await admin.query((await project.run(['db', 'grants', '--prefix', prefix])).stdout)
  })

  it('over an installation of one role, all is handed over to the owner', async () => {
    const other = await testDatabase()
    const superuser = new pg.Client(other.url)
    await superuser.connect()
    try {
      const migrated = await project.run(['migrate'], { DATABASE_URL: other.url })
      assert.equal(migrated.code, 0, migrated.stderr)
      await superuser.query((await project.run(['db', 'grants', '--prefix', prefix])).stdout)
      const { rows } = await superuser.query(
        `
        select 'relation' as what, oid::regclass::text as name from pg_class
         where relnamespace in ('tappet'::regnamespace, 'tappet_queue'::regnamespace) and relowner <> to_regrole($1)
        union all select 'routine', oid::regprocedure::text from pg_proc
         where pronamespace in ('tappet'::regnamespace, 'tappet_queue'::regnamespace) and proowner <> to_regrole($1)
        union all select 'type', oid::regtype::text from pg_type
         where typnamespace in ('tappet'::regnamespace, 'tappet_queue'::regnamespace) and typowner <> to_regrole($1)`,
        [owner],
      )
      assert.deepEqual(rows, [])
      const node = await project.start({ DATABASE_URL: withPassword(other.url, runtime, PASSWORD) }, [
        'start',
        '--port',
        '0',
        '--role',
        'http,worker',
      ])
      const asked = await fetch(new URL('/asked', node.url), { method: 'POST', body: '{}' })
      assert.equal(asked.status, 200, (await asked.text()) + node.output())
      assert.doesNotMatch(node.output(), /permission denied/)
      assert.equal(await node.stop(), 0)
    } finally {
      await superuser.end()
      await other.drop()
    }
  })

  it('the run-time role serves all five triggers', async () => {
    app = await project.start({ DATABASE_URL: urlOf(runtime) })
    const asked = await fetch(new URL('/asked', app.url), { method: 'POST', body: '{}' })
    assert.equal(asked.status, 200, (await asked.text()) + app.output())
    await as(shop, (client) => client.query(`insert into things values (1, 'a note')`))
    const stored = await fetch(new URL('/_tappet/uploads/files/a.txt', app.url), {
      method: 'PUT',
      headers: { authorization: `Bearer ${app.key}`, 'content-type': 'text/plain' },
      body: 'text',
    })
    assert.equal(stored.status, 201, await stored.text())
    for (const name of ['asked', 'watch', 'stored', 'tick', 'jobs'])
      await eventually(async () => {
        const path = `/_tappet/api/v1/runs?function=${name}&state=completed`
        return (await app?.api<{ runs: unknown[] }>(path))?.runs.length
      }, `a completed run of ${name}`)
    const doctor = JSON.parse(await run(runtime, 'doctor', '--json')) as {
      checks: { name: string; detail: string }[]
    }
    assert.equal(doctor.checks.find(({ name }) => name === 'database role')?.detail, 'may do what it needs')
    assert.doesNotMatch(app.output(), /permission denied/)
    assert.equal(await app.stop(), 0)
  })

  it('the run-time role may do nothing else', async () => {
    for (const sql of [
      'create table tappet.mine (id int)',
      'create table tappet_queue.mine (id int)',
      'create schema mine',
      'alter table tappet.runs add column mine int',
      'drop table tappet.runs',
      'truncate tappet.events',
      'create role mine',
      `set role ${owner}`,
      'select * from things',
      'select * from private',
      `insert into things values (9)`,
      `insert into tappet.outbox (kind, queue, data, bytes) values ('message', 'jobs', '{}', 2)`,
      `update tappet.outbox set data = '{}'`,
      `select tappet.send('jobs', '{}'::json)`,
      `insert into tappet.migrations (set, name, checksum) values ('ledger', 'x', 'y')`,
      'create trigger mine after insert on things for each row execute function tappet.capture()',
    ])
      await refused(runtime, sql)
  })

  it('others write to their own tables, and see nothing of ours', async () => {
    await as(shop, (client) => client.query('insert into things values (2)'))
    const { rows } = await admin.query(`select before, after from tappet.outbox where kind = 'change'`)
    assert.deepEqual(rows, [{ before: null, after: { id: 2 } }])
    for (const sql of [
      'select * from tappet.outbox',
      'select * from tappet.events',
      'select tappet.capture()',
    ])
      await refused(shop, sql)
    await refused(shop, `insert into tappet.outbox (kind, bytes) values ('message', 0)`)
  })

  it('a doctor says what a role may do too much', async () => {
    const server = await project.start({ DATABASE_URL: database.url })
    const { checks } = await server.api<{ checks: { name: string; detail: string; fix?: string }[] }>(
      '/readyz',
    )
    const role = checks.find(({ name }) => name === 'database role')
    assert.match(role?.detail ?? '', /is a superuser/)
    assert.match(role?.fix ?? '', /tappet db grants/)
    await server.stop()
  })
})
