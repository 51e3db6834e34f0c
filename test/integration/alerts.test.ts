import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type { Pool } from 'pg'
import { SMTPServer } from 'smtp-server'
import { Webhook } from 'standardwebhooks'
import type { Notice } from '../../src/alerts/alert.ts'
import { createAlertDesk } from '../../src/alerts/desk.ts'
import { createDestinations, type Destination } from '../../src/alerts/destinations.ts'
import type { AlertSettings } from '../../src/alerts/settings.ts'
import { startAlerts } from '../../src/alerts/watcher.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createPostgresAlerts } from '../../src/store/postgres/alerts.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { eventually } from '../support/eventually.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { testDatabase } from '../support/services.ts'
import { startWebhookServer, type WebhookServer } from '../support/webhook-server.ts'

const SECRET = `whsec_${Buffer.from('a secret of this test, 32 bytes.').toString('base64')}`
const SETTINGS: AlertSettings = {
  ...{ everyMs: 100, windowMs: 3_600_000, failures: 3, queueAgeMs: 60_000 },
  ...{ webhook: null, slack: null, mail: null, allowHosts: [] },
}
const DECLARED = { known: (id: string) => id !== 'gone#0', mayOverlap: () => true }

describe('alerts', () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  let pool: Pool
  let server: WebhookServer
  const running: { stop(): Promise<void> }[] = []

  before(async () => {
    database = await testDatabase()
    pool = createPool({ url: database.url, logger: silentLogger })
    const client = await pool.connect()
    await migrate(client, 'ledger').finally(() => client.release())
  })
  after(async () => {
    await pool.end()
    await database.drop()
  })
  beforeEach(async () => {
    server = await startWebhookServer()
    await pool.query(
      'truncate tappet.alerts, tappet.alert_notices, tappet.alert_told, tappet.runs, tappet.attempts, tappet.schedules, tappet.paused',
    )
    await pool.query(`update tappet.alert_watch set memory = '{}', looked_at = '-infinity'`)
  })
  afterEach(async () => {
    for (const one of running.splice(0)) await one.stop()
    await server.close()
  })

  const start = (more: Partial<AlertSettings>, logger = silentLogger, also: readonly Destination[] = []) => {
    const settings = { ...SETTINGS, ...more }
    const ledger = createPostgresAlerts(pool)
    const destinations = [...createDestinations(settings), ...also]
    const alerts = startAlerts({ ledger, destinations, settings, declared: DECLARED, logger })
    running.push(alerts)
    return alerts
  }
  const desk = (more: Partial<AlertSettings> | null) =>
    createAlertDesk({
      settings: more && { ...SETTINGS, ...more },
      ledger: createPostgresAlerts(pool),
    })
  const toWebhook = () => ({
    webhook: { url: `${server.url}/hook`, secret: SECRET },
    allowHosts: [server.host],
  })
  const told = (): Notice[] => server.delivered.map(({ body }) => JSON.parse(body) as Notice)
  const toldOf = (): string[] => told().map(({ type, data }) => `${type} ${data.kind} ${data.subject}`)
  /** A run as it is found in the ledger, with one attempt if it has failed. */
  const addRun = async (id: string, functionId: string, state: string): Promise<void> => {
    await pool.query(
      `insert into tappet.runs (id, event, function_id, trigger, state, attempt, max_attempts, started_at, due_at, created_at)
       values ($1, $1, $2, 0, $3, 1, 3, now(), now() - interval '2 min', now() - interval '2 min')`,
      [id, functionId, state],
    )
    if (state !== 'dead' && state !== 'retrying') return
    await pool.query(
      `insert into tappet.attempts (run, lease, number, outcome, started_at, failure, fingerprint)
       values ($1, 1, 1, $2, now(), '{"message": "SMTP 451"}', 'x')`,
      [id, state === 'dead' ? 'dead' : 'retry'],
    )
  }
  const addTick = (id: string, nextAt: string): Promise<unknown> =>
    pool.query(
      `insert into tappet.schedules (id, function_id, expression, timezone, spec, next_at)
       values ($1, 'tick', '* * * * *', 'UTC', 'x', now() + $2::interval)`,
      [id, nextAt],
    )

  it('tell of failing functions, dead letters, aging queues and late ticks, signed, and once when each is over', async () => {
    for (let n = 0; n < 3; n++) await addRun(`run_${n}`, 'mail', 'retrying')
    await addRun('run_3', 'mail', 'completed')
    await addRun('run_4', 'bad', 'dead')
    await addRun('run_5', 'slow', 'queued')
    await addRun('run_6', 'held', 'queued')
    await pool.query(`insert into tappet.paused (function_id, paused_by) values ('held', 'me')`)
    await addTick('tick#0', '-2 min')
    await addTick('gone#0', '-2 min')
    start(toWebhook())
    const expected = [
      'dead_letters.new bad',
      'function.failing mail',
      'queue.aging slow',
      'schedule.missed tick#0',
    ]
    await eventually(() => toldOf().length === 4, 'four alerts')
    assert.deepEqual(
      toldOf().toSorted(),
      expected.map((one) => `alert.firing ${one}`),
    )
    assert.match(
      told().find(({ data }) => data.subject === 'mail')?.data.message ?? '',
      /3 of 4 runs.*: SMTP 451/,
    )
    for (const { body, headers } of server.delivered)
      new Webhook(SECRET).verify(body, headers as Record<string, string>)

    await pool.query('truncate tappet.runs, tappet.attempts, tappet.schedules')
    await eventually(() => toldOf().length === 8, 'they are over')
    assert.deepEqual(
      toldOf().slice(4).toSorted(),
      expected.map((one) => `alert.resolved ${one}`),
    )
    const ids = told().map(({ data }) => data.id)
    assert.deepEqual(ids.slice(4).toSorted(), ids.slice(0, 4).toSorted(), 'by the names that they had')
  })

  it('tell once of several processes, also when each looks again and again', async () => {
    await addRun('run_1', 'bad', 'dead')
    for (let n = 0; n < 4; n++) start(toWebhook())
    await eventually(() => toldOf().length === 1, 'one is told')
    const rounds = async (): Promise<number> =>
      Number((await pool.query<{ round: string }>('select round from tappet.alert_watch')).rows[0]?.round)
    const now = await rounds()
    await eventually(async () => (await rounds()) > now + 5, 'further rounds')
    assert.deepEqual(toldOf(), ['alert.firing dead_letters.new bad'])
  })

  it('try again until it is taken, under the same id, and tell in order', async () => {
    server.answers.push(500, 429)
    await addRun('run_1', 'bad', 'dead')
    start(toWebhook())
    await eventually(() => server.delivered.length === 1, 'a first try')
    await pool.query('truncate tappet.runs, tappet.attempts')
    await eventually(
      async () => (await pool.query('select from tappet.alert_notices')).rows.length === 2,
      'it is over before it was told',
    )
    assert.equal(server.delivered.length, 1, 'that it is over waits for that it began')
    const soon = (): Promise<unknown> =>
      pool.query('update tappet.alert_notices set due_at = now() where attempts in (1, 2)')
    await eventually(async () => (await soon(), toldOf().length === 4), 'two more tries, and the end')
    const firing = 'alert.firing dead_letters.new bad'
    assert.deepEqual(toldOf(), [firing, firing, firing, 'alert.resolved dead_letters.new bad'])
    const ids = server.delivered.map(({ headers }) => headers['webhook-id'])
    assert.equal(new Set(ids.slice(0, 3)).size, 1)
    assert.notEqual(ids[3], ids[0])
    await eventually(
      async () => (await pool.query('select from tappet.alert_notices')).rows.length === 0,
      'done',
    )
  })

  it('go on looking, and tell others, while one destination hangs', async () => {
    server.answers.push(0)
    await addRun('run_1', 'bad', 'dead')
    const others: string[] = []
    const other = { name: 'other', send: async ({ id }: { id: string }) => void others.push(id) }
    start(toWebhook(), silentLogger, [other])
    await eventually(() => others.length === 1 && server.delivered.length === 1, 'both are asked')
    const open = async (): Promise<number> => (await pool.query('select from tappet.alerts')).rows.length
    await addRun('run_2', 'worse', 'dead')
    await eventually(async () => (await open()) === 2, 'a further alert')
    await server.close()
    server = await startWebhookServer()
  })

  it('go to no private address that is not allowed, and say so', async () => {
    const { logger, lines } = recordingLogger()
    await addRun('run_1', 'bad', 'dead')
    start({ webhook: { url: server.url, secret: null } }, logger)
    await eventually(() => lines.some((line) => line.includes('could not send an alert')), 'a refusal')
    assert.equal(server.delivered.length, 0)
  })

  it('are written as Slack reads them', async () => {
    await addRun('run_1', 'a<b>&c', 'dead')
    start({ slack: `${server.url}/services/T/B/x`, allowHosts: [server.host] })
    await eventually(() => server.delivered.length === 1, 'a message')
    assert.deepEqual(JSON.parse(server.delivered[0]?.body ?? ''), {
      text: 'Firing: a&lt;b&gt;&amp;c has 1 new dead letter within 1h 0m: SMTP 451',
    })
  })

  it('are sent by mail', async () => {
    const mails: string[] = []
    const smtp = new SMTPServer({
      ...{ authOptional: true, disabledCommands: ['STARTTLS'], logger: false },
      onData: (stream, _session, done) =>
        void text(stream).then((mail) => done(null, void mails.push(mail) as never)),
    })
    const socket = smtp.listen(0, '127.0.0.1')
    await once(socket, 'listening')
    await addRun('run_1', 'bad', 'dead')
    const port = (socket.address() as AddressInfo).port
    start({ mail: { server: `smtp://127.0.0.1:${port}`, from: 't@x.test', to: ['ops@x.test', 'b@x.test'] } })
    await eventually(() => mails.length === 1, 'a mail')
    await new Promise<void>((resolve) => smtp.close(() => resolve()))
    assert.match(mails[0] ?? '', /^To: ops@x\.test, b@x\.test$/m)
    assert.match(mails[0] ?? '', /^Subject: \[tappet\] Firing: bad has 1 new dead letter/m)
  })

  it('are given up after a day', async () => {
    await pool.query(`
      insert into tappet.alert_notices (id, alert, destination, body, created_at)
      values ('msg_1', 'alr_1', 'webhook', '{}', now() - interval '25 h')`)
    start({ slack: server.url })
    await eventually(
      async () => (await pool.query('select from tappet.alert_notices')).rows.length === 0,
      'it is gone',
    )
    const { recent } = await desk({}).now(10)
    assert.deepEqual(
      recent.map(({ id, state }) => [id, state]),
      [['msg_1', 'given up']],
    )
  })

  it('are told of with who was told, what waits and why, for 30 days', async () => {
    server.answers.push(500)
    await addRun('run_1', 'bad', 'dead')
    await pool.query(`
      insert into tappet.alert_told (id, alert, destination, body, attempts, taken, created_at)
      values ('msg_old', 'alr_old', 'webhook', '{}', 1, true, now() - interval '31 days')`)
    const others: string[] = []
    const other = { name: 'other', send: async ({ id }: { id: string }) => void others.push(id) }
    start(toWebhook(), silentLogger, [other])
    const waits = async () =>
      (await desk(toWebhook()).now(10)).firing[0]?.told.find(({ state }) => state === 'waiting')
    const waiting = await eventually(async () => {
      const found = await waits()
      return found?.error === null ? null : found
    }, 'the webhook has refused')
    assert.deepEqual([waiting.destination, waiting.attempts], ['webhook', 1])
    assert.match(waiting.error ?? '', /answered with 500/)
    const { firing, recent, destinations, watching } = await desk(toWebhook()).now(10)
    assert.deepEqual(
      firing.map(({ kind, subject, told: by }) => [
        ...[kind, subject],
        by.map(({ destination, state }) => `${destination} ${state}`).toSorted(),
      ]),
      [['dead_letters.new', 'bad', ['other told', 'webhook waiting']]],
    )
    assert.deepEqual(
      recent.map(({ notice }) => notice.type),
      ['alert.firing', 'alert.firing'],
    )
    assert.deepEqual(destinations, [{ name: 'webhook', to: server.host }], 'the path may be a secret')
    assert.deepEqual(watching, { everyMs: 100, windowMs: 3_600_000, failures: 3, queueAgeMs: 60_000 })
  })

  it('are tested by hand: one message, to one or to all, and what came of it', async () => {
    server.answers.push(204, 503)
    const settings = { ...toWebhook(), slack: `${server.url}/slack` }
    const results = await desk(settings).test(null)
    assert.deepEqual(
      results.map(({ destination }) => destination),
      ['webhook', 'slack'],
    )
    assert.deepEqual(results.map(({ error }) => error ?? 'taken').toSorted(), [
      ...[`${server.host} answered with 503`, 'taken'].toSorted(),
    ])
    assert.equal(server.delivered.length, 2, 'it is not tried again')
    const webhook = server.delivered.find(({ path }) => path === '/hook')
    new Webhook(SECRET).verify(webhook?.body ?? '', webhook?.headers as Record<string, string>)
    const { recent, firing } = await desk(settings).now(10)
    assert.deepEqual(recent.map(({ state }) => state).toSorted(), ['given up', 'told'])
    assert.deepEqual(firing, [])
    await assert.rejects(desk(settings).test('mail'), { code: 'TPT_NOT_FOUND' })
    await assert.rejects(desk(null).test(null), { code: 'TPT_CONFLICT' })
  })
})
