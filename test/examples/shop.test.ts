import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import pg from 'pg'
import { SMTPServer } from 'smtp-server'
import { eventually } from '../support/eventually.ts'
import { makeProject, type Project, type Running } from '../support/project.ts'
import { testDatabase } from '../support/services.ts'

interface RunList {
  readonly runs: readonly {
    id: string
    functionId: string
    state: string
    attempt: number
    result: unknown
  }[]
}

interface Refusal {
  readonly to: string
  readonly code: number
}

const shell = promisify(execFile)
const CLI = join(import.meta.dirname, '..', '..', 'dist', 'bin', 'tappet.js')
const FUNCTIONS = join(import.meta.dirname, '..', '..', 'functions')
const JSON_TYPE = { 'content-type': 'application/json' }

/** A real mail server that refuses whom it is told to refuse, once. */
async function startMailServer(): Promise<{
  url: string
  mails: string[]
  refuse: Refusal[]
  close(): Promise<void>
}> {
  const mails: string[] = []
  const refuse: Refusal[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onRcptTo({ address }, _session, done) {
      const place = refuse.findIndex(({ to }) => to === address)
      if (place < 0) return done()
      const [refusal] = refuse.splice(place, 1)
      done(Object.assign(new Error('refused'), { responseCode: refusal?.code }))
    },
    onData(stream, _session, done) {
      let text = ''
      stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
      stream.on('end', () => {
        mails.push(text)
        done()
      })
    },
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.server.address() as { port: number }
  const close = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()))
  return { url: `smtp://127.0.0.1:${port}`, mails, refuse, close }
}

describe('the example shop', () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  let mail: Awaited<ReturnType<typeof startMailServer>>
  let project: Project
  let app: Running
  let client: pg.Client
  before(async () => {
    database = await testDatabase()
    mail = await startMailServer()
    project = await makeProject({})
    await cp(FUNCTIONS, join(project.folder, 'functions'), { recursive: true })
    app = await project.start({ DATABASE_URL: database.url, SMTP_URL: mail.url }, ['dev', '--port', '0'])
    client = new pg.Client(database.url)
    await client.connect()
  })
  after(async () => {
    await client.end()
    await project.remove()
    await mail.close()
    await database.drop()
  })

  const order = (more: object = {}) => ({ id: randomUUID(), email: 'ada@example.org', total: 42, ...more })
  const place = (body: unknown): Promise<Response> =>
    fetch(new URL('/orders', app.url), { method: 'POST', headers: JSON_TYPE, body: JSON.stringify(body) })
  const mailFor = (id: string, status = 'placed') =>
    eventually(
      () => mail.mails.find((text) => text.includes(`${id}-${status}@tappet`)),
      `a mail about ${id} being ${status}`,
      20_000,
    )
  const runsOf = async (functionId: string) =>
    (await app.api<RunList>(`/_tappet/api/v1/runs?function=${encodeURIComponent(functionId)}`)).runs

  it('offers lines to try that work as they are printed', async () => {
    const output = await eventually(
      () => (app.output().includes('Ctrl-C stops') ? app.output() : null),
      'the screen',
    )
    const block = output.slice(output.indexOf('Try it') + 'Try it'.length, output.indexOf('Ctrl-C stops'))
    const lines = block
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean)
    assert.ok(lines.length >= 4, block)
    const before = (await app.api<RunList>('/_tappet/api/v1/runs?limit=500')).runs.length
    for (const line of lines) {
      // `npx` finds the command in a project that has it installed; here it is the one that was built.
      const npx = `npx() { shift; "${process.execPath}" "${CLI}" "$@"; }`
      const { stdout } = await shell(
        'bash',
        ['-euc', `${npx}\nset -o pipefail\n${line.replace(/^curl /, 'curl -sSf ')}`],
        // A given database is named in every terminal, or in .env: its password is written down nowhere else.
        { cwd: project.folder, env: { ...process.env, DATABASE_URL: database.url } },
      )
      assert.ok(stdout.length > 0, line)
    }
    await eventually(
      async () => {
        const { runs } = await app.api<RunList>('/_tappet/api/v1/runs?limit=500')
        return runs.length >= before + lines.length + 3 && runs.every(({ state }) => state === 'completed')
      },
      'all of it runs, with what follows from it',
      30_000,
    )
  })

  it('takes an order through the whole chain: request, row, queue, mail', async () => {
    const wanted = order()
    const response = await place(wanted)
    assert.deepEqual([response.status, await response.json()], [200, { id: wanted.id, status: 'placed' }])
    const { rows } = await client.query('select email, total, status from orders where id = $1', [wanted.id])
    assert.deepEqual(rows, [{ email: 'ada@example.org', total: '42.00', status: 'placed' }])
    assert.match(await mailFor(wanted.id), /To: ada@example\.org/)
  })

  it('answers 422 with what is wrong, and stores nothing', async () => {
    const before = (await runsOf('orders/place')).length
    const response = await place(order({ email: 'nobody', total: -1 }))
    const { error } = (await response.json()) as { error: { code: string; issues: { path: string }[] } }
    assert.deepEqual([response.status, error.code], [422, 'TPT_EVENT_INVALID'])
    assert.deepEqual(error.issues.map(({ path }) => path).toSorted(), ['/data/email', '/data/total'])
    assert.equal((await runsOf('orders/place')).length, before)
  })

  it('places an order once, by HTTP and from the queue', async () => {
    const wanted = order()
    const answers = await Promise.all([place(wanted), place(wanted), place(wanted)])
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200],
    )
    await app.api('/_tappet/queues/orders', {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify(wanted),
    })
    await mailFor(wanted.id)
    const own = (await runsOf('orders/place')).filter(
      ({ result }) => (result as { id: string } | null)?.id === wanted.id,
    )
    assert.equal(own.length, 1)
  })

  it('sends a receipt for a row that somebody else inserts, and another when it is paid', async () => {
    const id = randomUUID()
    await client.query('insert into orders (id, email, total) values ($1, $2, 7)', [id, 'bob@example.org'])
    await mailFor(id)
    await client.query(`update orders set status = 'paid' where id = $1`, [id])
    assert.match(await mailFor(id, 'paid'), /is paid/)
  })

  it('follows SQL: a message of a rolled-back transaction never was', async () => {
    const [kept, gone] = [order(), order()]
    const send = 'select tappet.send($1, $2::json)'
    await client.query('begin')
    await client.query(send, ['orders', JSON.stringify(gone)])
    await client.query('rollback')
    await client.query('begin')
    await client.query(send, ['orders', JSON.stringify(kept)])
    await client.query('commit')
    await mailFor(kept.id)
    const { rows } = await client.query('select id from orders where id = any($1::uuid[])', [
      [kept.id, gone.id],
    ])
    assert.deepEqual(rows, [{ id: kept.id }])
  })

  it('tries a mail again after a passing refusal, and never after 550', async () => {
    const [busy, nobody] = [order({ email: 'busy@example.org' }), order({ email: 'nobody@example.org' })]
    mail.refuse.push({ to: 'busy@example.org', code: 451 }, { to: 'nobody@example.org', code: 550 })
    await Promise.all([place(busy), place(nobody)])
    await mailFor(busy.id)
    const dead = await eventually(
      async () => (await runsOf('mail/send-receipt')).find(({ state }) => state === 'dead'),
      'a dead letter',
    )
    assert.equal(dead.attempt, 1)
    assert.equal(
      mail.mails.some((text) => text.includes('nobody@example.org')),
      false,
    )
  })

  it('describes an avatar', async () => {
    const png = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAYAAAC56t6BAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    )
    const { runs } = await app.api<{ runs: string[] }>('/_tappet/uploads/avatars/u1/me.png', {
      method: 'PUT',
      body: png,
    })
    const result = await eventually(async () => {
      const { run } = await app.api<{ run: { state: string; result: unknown } }>(
        `/_tappet/api/v1/runs/${runs[0]}`,
      )
      return run.state === 'completed' ? run.result : null
    }, 'the avatar is described')
    assert.deepEqual(result, { user: 'u1', contentType: 'image/png', size: png.length, width: 2, height: 3 })
  })

  it('ticks', async () => {
    const tick = await eventually(
      async () => (await runsOf('reports/heartbeat')).find(({ state }) => state === 'completed'),
      'a tick',
      15_000,
    )
    assert.equal(typeof (tick.result as { lateMs: number }).lateMs, 'number')
  })

  it('closes the books when it is asked to', async () => {
    const { stdout, stderr, code } = await project.run([
      'invoke',
      'reports/nightly',
      '--wait',
      '20s',
      '--json',
    ])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /"orders"/)
  })

  it('keeps mail in a folder when there is no mail server', async () => {
    const { default: fn } =
      (await import('../../functions/mail/send-receipt.ts')) as typeof import('../../functions/mail/send-receipt.ts')
    assert.equal(fn.options.env?.includes('SMTP_URL'), true)
    const id = randomUUID()
    const there = process.cwd()
    process.chdir(project.folder)
    try {
      const data = { orderId: id, to: 'a@b.co', total: 1, status: 'placed' }
      const result = await fn.handler({ data } as never, { log: { info() {} } } as never)
      const { file } = result as { file: string }
      assert.match(await readFile(file, 'utf8'), /^To: a@b\.co/m)
    } finally {
      process.chdir(there)
    }
  })
})
