import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { TRIGGERS } from '../../src/cli/templates/functions.ts'
import { eventually } from '../support/eventually.ts'
import { makeProject, type Project, type Running } from '../support/project.ts'
import { type TestDatabase, testDatabase } from '../support/services.ts'

const FAILING = `import { defineFunction, FatalError, queue } from 'tappet'
export default defineFunction({ on: queue('bad'), retry: { attempts: 1 } }, (event) => {
  throw new FatalError('mailbox is full ' + JSON.stringify(event.data))
})
`

describe('a project made by `tappet init`, steered by the command line', () => {
  let database: TestDatabase
  let project: Project
  let app: Running

  before(async () => {
    database = await testDatabase()
    project = await makeProject({})
    const made = await project.run(['init', '.', '--no-install', '--on', TRIGGERS.join(',')])
    assert.deepEqual([made.code, made.stdout.includes('functions/welcome.ts')], [0, true], made.stderr)
    await project.write('functions/bad.ts', FAILING)
    app = await project.start({ DATABASE_URL: database.url }, ['dev', '--port', '0'])
  })
  after(async () => {
    await project?.remove()
    await database?.drop()
  })

  const environment = (): Record<string, string> => ({ DATABASE_URL: database.url })
  const tappet = (...args: readonly string[]) => project.run(args, environment())
  const json = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await tappet(...args, '--json')
    assert.equal(code, 0, stderr)
    // oxlint-disable-next-line typescript/no-explicit-any
    return JSON.parse(stdout) as any
  }
  const failed = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) await tappet('send', 'bad', '-d', String(n))
    await eventually(
      async () => (await json('runs', 'list', 'function:bad', 'status:dead')).runs.length >= count,
      `${count} dead runs`,
    )
  }

  it('serves every template without a problem', async () => {
    const { functions, problems, triggerProblems } = await json('functions')
    assert.deepEqual(problems, [])
    assert.deepEqual(triggerProblems, [])
    const ids = functions.map(({ id }: { id: string }) => id).toSorted()
    assert.deepEqual(ids, ['bad', 'emails', 'every-minute', 'files', 'hello', 'welcome'])
  })

  it('has templates that run', async () => {
    const sent = await fetch(`${app.url}/hello`, {
      method: 'POST',
      body: '{"email":"a@b.co"}',
      headers: { 'content-type': 'application/json' },
    })
    assert.deepEqual(await sent.json(), { hello: 'a@b.co' })
    await tappet('db', 'query', "insert into users (email) values ('a@b.co')")
    await tappet('upload', 'package.json', '--to', 'files/u1/package.json')
    await tappet('send', 'emails', '-d', '{"to":"a@b.co"}')
    assert.match((await tappet('schedules', 'run', 'every-minute')).stdout, /^run_\w+\n$/)
    for (const id of ['welcome', 'files', 'emails', 'every-minute'])
      await eventually(
        async () => (await json('runs', 'list', `function:${id}`, 'status:completed')).runs.length > 0,
        `${id} has run`,
      )
  })

  it('makes further functions, and none twice', async () => {
    for (const on of TRIGGERS) {
      const { code, stdout, stderr } = await tappet('new', `more/${on}-one`, '--on', on)
      assert.deepEqual([code, stdout], [0, `functions/more/${on}-one.ts\n`])
      assert.match(stderr, /try it: /)
    }
    const again = await tappet('new', 'more/cron-one', '--on', 'cron')
    assert.equal(again.code, 7)
    assert.match(again.stderr, /functions\/more\/cron-one.ts is there already/)
    assert.equal((await tappet('new', '../x')).code, 2)
    assert.equal((await tappet('new', 'x', '--on', 'fax')).code, 2)
    assert.equal((await readdir(join(project.folder, 'functions', 'more'))).length, TRIGGERS.length)
  })

  it('shows its state, also for a shell', async () => {
    const text = (await tappet('status')).stdout
    assert.match(text, /^version +\d+\.\d+\.\d+$/m)
    assert.match(text, /^queue +postgres/m)
    const { stdout } = await tappet('status', '-o', 'env')
    assert.equal(stdout, `export TAPPET_URL=${app.url}\nexport TAPPET_PID=${app.child.pid}\n`)
    assert.match(
      (await tappet('usage', '--since', '1d')).stdout,
      /^FUNCTION +CALLS +.*\n(.*\n)*WOULD HAVE COST +USD\nAWS Lambda +/,
    )
    assert.match((await tappet('workers')).stdout, new RegExp(`^WORKER.*\n.* ${app.child.pid} +\\d+ `))
  })

  it('finds events and shows one with its runs', async () => {
    await failed(1)
    const { events } = await json('events', 'list', 'type:dev.tappet.queue.message', '-n', '1')
    const found = events.length > 0 ? events : (await json('events', 'list', '-n', '1')).events
    const { stdout } = await tappet('events', 'show', found[0].id)
    assert.match(stdout, new RegExp(`^${found[0].id}`))
    assert.match(stdout, /^RUN +FUNCTION/m)
    assert.equal((await tappet('events', 'show', 'evt_none')).code, 5)
    assert.match((await tappet('events')).stdout, /^EVENT +TYPE +SIZE +AGE +RUNS/)
  })

  it('shows log lines by a filter', async () => {
    const { stdout } = await tappet('logs', 'function:hello')
    assert.match(stdout, /^run_\w+ .* info +#1 a request came in \{"email":"a@b.co"\}$/m)
    assert.equal((await tappet('logs', 'function:nobody')).stdout, 'no log lines\n')
    const wrong = await tappet('logs', 'colour:red')
    assert.deepEqual([wrong.code, wrong.stdout], [2, ''])
  })

  it('pauses and resumes a function', async () => {
    assert.equal((await tappet('queues', 'pause', 'emails')).stdout, 'paused emails\n')
    await tappet('send', 'emails', '-d', '{"to":"later@b.co"}')
    assert.match((await tappet('queues')).stdout, /^emails +1 +0 +0 .* +paused$/m)
    assert.equal((await tappet('queues', 'resume', 'emails')).stdout, 'resumed emails, 1 runs go on\n')
    assert.equal((await tappet('queues', 'pause', 'nobody')).code, 5)
  })

  it('replays and cancels all that a filter selects', async () => {
    await failed(3)
    const filter = 'function:bad status:dead'
    const dry = await tappet('replay', '--filter', filter, '--dry-run')
    assert.equal(dry.code, 0)
    assert.match(dry.stdout, /^(\d+) runs match \(oldest \d+\w, newest \d+\w\)$/m)
    const unasked = await tappet('replay', '--filter', filter)
    assert.equal(unasked.code, 2)
    const { stdout, code } = await tappet('replay', '--filter', filter, '-n', '2', '--rate', '100', '--yes')
    assert.equal(code, 0)
    const [, id = ''] = /^✔ 2 done, 0 skipped {2}(bulk_\w+)\n$/.exec(stdout) ?? []
    assert.equal((await json('runs', 'list', `bulk:${id}`)).runs.length, 2)
    assert.match((await tappet('bulk')).stdout, new RegExp(`^${id} {2}█{20} {2}2/2 {2}done {2}replay`))
    assert.equal((await tappet('bulk', 'show', id)).code, 0)
    assert.match((await tappet('bulk', 'stop', id)).stdout, new RegExp(`^${id}`))
    const none = await tappet('cancel', '--filter', 'function:nobody', '--yes')
    assert.deepEqual([none.code, none.stdout], [0, 'no runs match\n'])
    for (const wrong of [['replay'], ['replay', 'run_1', '--filter', 'x'], ['cancel', '--filter', '']])
      assert.equal((await tappet(...wrong)).code, 2, wrong.join(' '))
  })

  it('makes up for ticks', async () => {
    const [from, until] = ['2026-11-01T00:00:00Z', '2026-11-01T00:02:00Z']
    const ask = ['schedules', 'backfill', 'every-minute', '--from', from, '--until', until]
    assert.equal((await tappet(...ask, '--dry-run')).stdout.split('\n').length, 4)
    assert.equal((await tappet(...ask, '--yes')).stdout, 'made 3, 0 were there\n')
    assert.equal((await tappet(...ask, '--yes')).stdout, 'made 0, 3 were there\n')
    assert.equal((await tappet('schedules', 'run', 'nobody')).code, 5)
    assert.equal((await tappet('schedules', 'backfill', 'x', '--from', 'soon', '--until', 'now')).code, 2)
  })

  it('tells what is bound to which table, and whether it is installed', async () => {
    const asked = (): Promise<{ readonly databases: readonly Record<string, unknown>[] }> =>
      app.api('/_tappet/api/v1/databases')
    const [found] = (await asked()).databases
    const label = 'users insert'
    const functions = ['more/postgres-one', 'welcome'].map((functionId) => ({ functionId, label }))
    assert.deepEqual(found?.tables, [{ table: 'users', functions }])
    assert.deepEqual([found?.changes, found?.problems, found?.error], [[], [], null])
    await tappet('db', 'query', 'drop table users')
    await eventually(async () => {
      const [now] = (await asked()).databases
      return (now?.problems as readonly unknown[] | undefined)?.length === 2
    }, 'the missing table is told of')
  })

  it('tells who changed what', async () => {
    const { stdout } = await tappet('audit')
    assert.match(stdout, /^\d+s +admin +200 +POST \/_tappet\/api\/v1\/functions\/\*/m)
  })
})
