import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { silentLogger } from '../../src/lib/log.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createMemoryStore } from '../../src/store/memory/store.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { createPostgresStore } from '../../src/store/postgres/store.ts'
import type { Store } from '../../src/store/store.ts'
import { type AdminServer, PROBLEM, startAdmin } from '../support/admin.ts'
import { eventually } from '../support/eventually.ts'
import { testDatabase } from '../support/services.ts'

const API = '/_tappet/api/v1'

interface Ledger {
  readonly store: Store
  drop(): Promise<void>
}

async function postgresLedger(): Promise<Ledger> {
  const { url, drop } = await testDatabase()
  const pool = createPool({ url, logger: silentLogger })
  const client = await pool.connect()
  await migrate(client, 'ledger')
  client.release()
  return { store: createPostgresStore(pool), drop }
}

const LEDGERS = {
  memory: async (): Promise<Ledger> => ({ store: createMemoryStore(), drop: async () => undefined }),
  postgres: postgresLedger,
}

for (const [name, open] of Object.entries(LEDGERS)) {
  describe(`admin API over ${name}`, () => {
    let ledger: Ledger
    let admin: AdminServer

    before(async () => {
      ledger = await open()
      admin = await startAdmin(ledger.store)
    })
    after(async () => {
      await admin.close()
      await ledger.drop()
    })

    const get = (path: string) => admin.request(API + path)
    const post = (path: string, body?: unknown) =>
      admin.request(API + path, { method: 'POST', ...(body !== undefined && { body: JSON.stringify(body) }) })
    const send = async (data: unknown): Promise<string> => {
      const sent = await admin.request('/_tappet/queues/emails', {
        method: 'POST',
        body: JSON.stringify(data),
      })
      assert.equal(sent.status, 202)
      return sent.body.runs[0]
    }
    const inState = (id: string, state: string) =>
      eventually(async () => (await admin.store.run(id))?.state === state, `${id} to be ${state}`)

    it('lets nobody in without a key, and says so in the common form', async () => {
      const routes = [
        ...['/status', '/functions', '/runs', '/runs/run_1', '/dead', '/schedules'].map((path) => ({
          method: 'GET',
          path,
        })),
        ...['/functions/a/invoke', '/runs/run_1/replay', '/runs/run_1/cancel', '/dead/replay'].map(
          (path) => ({ method: 'POST', path }),
        ),
      ]
      for (const { method, path } of routes) {
        const { status, body } = await admin.request(API + path, {
          method,
          headers: { authorization: 'Bearer no' },
        })
        assert.deepEqual([status, body.error.code], [401, 'TPT_UNAUTHORIZED'], `${method} ${path}`)
        assert.ok(body.error.hint)
      }
    })

    it('lists functions with triggers and problems, without paths of the machine', async () => {
      const { status, body } = await get('/functions')
      assert.equal(status, 200)
      assert.deepEqual(
        body.functions.map(({ id }: { id: string }) => id),
        ['orders/place', 'mail/send', 'reports/nightly', 'orders/on-paid', 'avatars/describe'],
      )
      assert.equal(body.functions[0].triggers[0].label, 'POST /orders')
      assert.deepEqual(body.problems, [PROBLEM])
      assert.equal(JSON.stringify(body).includes('nowhere.mjs'), false)
    })

    it('invokes a function as its first trigger would, and waits for the result', async () => {
      const { status, body } = await post('/functions/orders/place/invoke', {
        data: { id: 'o1' },
        wait: '5s',
      })
      assert.equal(status, 200)
      assert.equal(body.state, 'completed')
      assert.deepEqual(body.result.placed, { id: 'o1', total: 1 })
      assert.equal(body.result.type, 'http.request')
      assert.equal(body.result.source, '/invoke/orders/place')
    })

    it('answers 202 at once without a wait, and at its end', async () => {
      const at = await post('/functions/mail/send/invoke', { data: {} })
      assert.deepEqual([at.status, at.body.state], [202, 'accepted'])
      await inState(at.body.run, 'completed')
      const late = await post('/functions/mail/send/invoke', { data: { slow: true }, wait: '50ms' })
      assert.deepEqual([late.status, late.body.state], [202, 'accepted'])
      assert.equal((await post(`/runs/${late.body.run}/cancel`)).status, 200)
    })

    it('makes events of every kind', async () => {
      const tick = await post('/functions/reports/nightly/invoke', { wait: '5s' })
      assert.ok(Date.parse(tick.body.result.scheduledAt))
      const row = await post('/functions/orders/on-paid/invoke', { data: { id: 7 }, wait: '5s' })
      const { before: was, after: is, schema, table } = row.body.result
      assert.deepEqual([was, is, schema, table], [{ id: 7 }, { id: 7 }, 'public', 'orders'])
      const file = await post('/functions/avatars/describe/invoke', { data: { key: 'a' }, wait: '5s' })
      assert.deepEqual(file.body.result, { key: 'a' })
      const none = await post('/functions/orders/on-paid/invoke', {})
      assert.deepEqual([none.status, none.body.error.issues[0].path], [422, '/data'])
    })

    it('refuses what a schema refuses, unknown functions, fields and waits', async () => {
      const refusals: [string, unknown, number, string, RegExp][] = [
        ['/functions/orders/place/invoke', { data: { id: 1 } }, 422, 'TPT_EVENT_INVALID', /\/data\/id/],
        ['/functions/orders/plaec/invoke', {}, 404, 'TPT_FUNCTION_NOT_FOUND', /did you mean orders\/place\?/],
        ['/functions/place/invoke', {}, 404, 'TPT_FUNCTION_NOT_FOUND', /did you mean orders\/place\?/],
        ['/functions/zzzz/invoke', {}, 404, 'TPT_FUNCTION_NOT_FOUND', /no function "zzzz"$/],
        ['/functions/mail/send', {}, 404, 'TPT_ROUTE_NOT_FOUND', /invoke/],
        [
          '/functions/mail/send/invoke',
          { wait: '5 min' },
          422,
          'TPT_EVENT_INVALID',
          /`wait` must be like '30s'/,
        ],
        ['/functions/mail/send/invoke', { wait: '301s' }, 422, 'TPT_EVENT_INVALID', /at most '5m'/],
        ['/functions/mail/send/invoke', { wiat: '5s' }, 422, 'TPT_EVENT_INVALID', /`wiat` is not known here/],
        ['/functions/mail/send/invoke', [], 422, 'TPT_EVENT_INVALID', /the body/],
      ]
      for (const [path, body, status, code, message] of refusals) {
        const answer = await post(path, body)
        assert.deepEqual([answer.status, answer.body.error.code], [status, code], path)
        assert.match(answer.body.error.message, message)
      }
      const broken = await admin.request(`${API}/functions/mail/send/invoke`, { method: 'POST', body: '{' })
      assert.deepEqual([broken.status, broken.body.error.code], [400, 'TPT_BODY_INVALID'])
    })

    it('shows a run with its event, attempts and log; strangers see how it ended only', async () => {
      const id = await send({ to: 'a@b.co', fail: true })
      await inState(id, 'dead')
      await eventually(async () => (await admin.store.logs(id)).length > 0, 'the log')
      const { status, body } = await get(`/runs/${id}`)
      assert.equal(status, 200)
      assert.equal(body.run.failure.message, 'mailbox 42 of "a@b.co" is full')
      assert.deepEqual(body.event.data, { to: 'a@b.co', fail: true })
      assert.equal(body.event.type, 'queue.message')
      assert.deepEqual([body.attempts.length, body.attempts[0].outcome], [1, 'dead'])
      assert.deepEqual([body.logs[0].message, body.logs[0].fields], ['sending', { to: 'a@b.co' }])

      const open = await admin.request(`/_tappet/runs/${id}`, { headers: { authorization: '' } })
      assert.equal(open.status, 200)
      assert.deepEqual(open.body, {
        ...{ run: id, function: 'mail/send', state: 'dead', attempt: 1, maxAttempts: 1, result: null },
        error: { code: 'TPT_FUNCTION_FAILED', message: 'mailbox 42 of "a@b.co" is full' },
      })
    })

    it('finds no run by a wrong id', async () => {
      const ids = ['run_x', 'run_%00', `run_${'x'.repeat(500)}`, '%2e%2e%2f', `'; drop table runs`]
      for (const path of [
        ...ids.map((id) => `${API}/runs/${id}`),
        ...ids.map((id) => `/_tappet/runs/${id}`),
      ]) {
        const { status, body } = await admin.request(path)
        assert.deepEqual([status, body.error.code], [404, 'TPT_NOT_FOUND'], path)
      }
    })

    it('pages through runs by state and function', async () => {
      for (let i = 0; i < 3; i++) await inState(await send({ to: `${i}` }), 'completed')
      const first = await get('/runs?function=mail/send&state=completed&limit=2')
      assert.equal(first.body.runs.length, 2)
      assert.equal(first.body.next, first.body.runs[1].id)
      const second = await get(`/runs?function=mail/send&state=completed&limit=2&before=${first.body.next}`)
      assert.ok(second.body.runs[0].id < first.body.next)
      assert.equal((await get('/runs?function=nobody')).body.next, null)
    })

    it('says what a parameter must be', async () => {
      const refusals: [string, RegExp][] = [
        ['/runs?limit=0', /`limit` must be a number from 1 to 500/],
        ['/runs?limit=501', /`limit` must be/],
        ['/runs?limit=1e3', /`limit` must be/],
        ['/runs?state=done', /`state` must be one of accepted, queued/],
        ['/runs?state=dead&state=queued', /`state` must be one of/],
        ['/runs?stat=dead', /`stat` is not known here/],
        ['/runs?before=42', /`before` must be the id of a run/],
        ['/runs?before=run_%00', /`before` must be without NUL/],
        ['/runs?function=%00', /`function` must be without NUL/],
        ['/dead?grouped=yes', /`grouped` must be true or false/],
        ['/schedules?next=101', /`next` must be a number from 1 to 100/],
      ]
      for (const [path, message] of refusals) {
        const { status, body } = await get(path)
        assert.deepEqual([status, body.error.code], [422, 'TPT_EVENT_INVALID'], path)
        assert.match(body.error.message, message)
      }
      assert.equal((await get('/runs?limit=500')).status, 200)
    })

    it('replays a dead run as it is, and any run with edited data', async () => {
      const id = await send({ to: 'x', fail: true })
      await inState(id, 'dead')
      const again = await post(`/runs/${id}/replay`)
      assert.deepEqual([again.status, again.body.run], [202, id])
      await eventually(async () => (await admin.store.attempts(id)).length === 2, 'a second attempt')
      await inState(id, 'dead')

      const edited = await post(`/runs/${id}/replay`, { data: { to: 'x', fail: false } })
      assert.equal(edited.status, 202)
      assert.notEqual(edited.body.run, id)
      await inState(edited.body.run, 'completed')
      const { event } = (await get(`/runs/${edited.body.run}`)).body
      const original = (await get(`/runs/${id}`)).body.event
      assert.match(event.id, new RegExp(`^${original.id};replay=\\w{26}$`))
      assert.deepEqual(
        [event.source, event.message, event.data],
        [original.source, original.message, { to: 'x', fail: false }],
      )

      const twice = await post(`/runs/${edited.body.run}/replay`, { data: {} })
      await inState(twice.body.run, 'completed')
      assert.equal((await get(`/runs/${twice.body.run}`)).body.event.id.split(';').length, 2)
    })

    it('refuses to replay what is not over badly, or with data that does not fit', async () => {
      const id = await send({})
      await inState(id, 'completed')
      const same = await post(`/runs/${id}/replay`)
      assert.deepEqual([same.status, same.body.error.code], [409, 'TPT_CONFLICT'])
      const misfit = await post(`/runs/${id}/replay`, { data: { to: 1 } })
      assert.deepEqual([misfit.status, misfit.body.error.issues[0].path], [422, '/data/to'])
      assert.equal((await post('/runs/run_x/replay')).status, 404)
    })

    it('cancels a run that is not over', async () => {
      const id = await send({ slow: true })
      await inState(id, 'running')
      assert.deepEqual((await post(`/runs/${id}/cancel`)).body, { run: id, state: 'cancelled' })
      const again = await post(`/runs/${id}/cancel`)
      assert.deepEqual([again.status, again.body.error.code], [409, 'TPT_CONFLICT'])
    })

    it('groups dead letters by what went wrong, and replays them', async () => {
      for (const to of ['1', '22', 'c']) await inState(await send({ to, fail: true }), 'dead')
      const listed = await get('/dead?function=mail/send&limit=500')
      const { groups, complete } = (await get('/dead?function=mail/send&grouped=true')).body
      assert.equal(complete, true)
      assert.deepEqual([groups.length, groups[0].count], [1, listed.body.runs.length])
      assert.equal(groups[0].error, 'FatalError: mailbox # of … is full')

      const { status, body } = await post('/dead/replay', { function: 'mail/send', limit: 2 })
      assert.deepEqual([status, body.replayed.length, body.failed], [202, 2, []])
      for (const id of body.replayed)
        await eventually(async () => (await admin.store.attempts(id)).length === 2, 'again')
      assert.deepEqual((await post('/dead/replay', { function: 'nobody' })).body, {
        replayed: [],
        failed: [],
      })
      assert.equal((await post('/dead/replay', { limit: 0 })).status, 422)
    })

    it('computes the next ticks, with the change of the clock', async () => {
      const { body } = await get('/schedules?next=3&function=reports/nightly')
      assert.deepEqual(body.schedules[0].next, [
        '2027-03-27T02:00:00.000Z',
        '2027-03-28T01:00:00.000Z',
        '2027-03-29T01:00:00.000Z',
      ])
      assert.deepEqual((await get('/schedules?function=nobody')).body, { schedules: [] })
    })

    it('tells its version, engine and counts', async () => {
      const { body } = await get('/status')
      assert.deepEqual([body.engine, body.functions, body.problems], ['memory', 5, 1])
      assert.match(body.version, /^\d+\.\d+\.\d+/)
      assert.ok(body.stats.some(({ state }: { state: string }) => state === 'completed'))
    })

    it('counts events, runs and dead letters for Prometheus', async () => {
      const { status, body } = await admin.request('/metrics')
      assert.equal(status, 200)
      assert.match(
        body,
        /^tappet_events_total\{source="queue",type="queue.message",result="accepted"\} \d+$/m,
      )
      assert.match(body, /^tappet_runs_total\{function="mail\/send",status="dead"\} \d+$/m)
      assert.match(body, /^tappet_run_duration_seconds_count\{function="orders\/place"\} \d+$/m)
      assert.match(body, /^tappet_queue_depth\{queue="mail\/send",state="waiting"\} 0$/m)
      assert.match(body, /^tappet_dead_letters\{function="mail\/send"\} [1-9]\d*$/m)
      assert.match(body, /^tappet_ledger_up 1$/m)
    })

    it('shows metrics to those who may read them', async () => {
      const stranger = { headers: { authorization: 'Bearer no' } }
      const refused = await admin.request('/metrics', stranger)
      assert.deepEqual([refused.status, refused.body.error.code], [401, 'TPT_UNAUTHORIZED'])
      const open = await startAdmin(createMemoryStore(), { openMetrics: true })
      try {
        assert.equal((await open.request('/metrics', stranger)).status, 200)
      } finally {
        await open.close()
      }
    })

    it('tells strangers what is not well, and holders of a key why', async () => {
      const own = await admin.request('/readyz')
      assert.deepEqual(own.body.checks, [{ name: 'postgres', ok: true, detail: 'rtt 1 ms' }])
      const theirs = await admin.request('/readyz', { headers: { authorization: '' } })
      assert.deepEqual(theirs.body, { status: 'ready', checks: [{ name: 'postgres', ok: true }] })
    })

    it('is alive, ready, not ready, and stopping', async () => {
      const look = async (path: string) => {
        const { status, body } = await admin.request(path, { headers: { authorization: '' } })
        return [status, body.status]
      }
      assert.deepEqual(await look('/readyz'), [200, 'ready'])
      admin.checks = [...admin.checks, { name: 'queue', ok: false, detail: 'gone', fix: 'start it' }]
      assert.deepEqual(await look('/readyz'), [503, 'not ready'])
      assert.deepEqual(await look('/healthz'), [200, 'ok'])
      admin.stopping = true
      assert.deepEqual(await look('/readyz'), [503, 'stopping'])
      assert.deepEqual(await look('/healthz'), [200, 'ok'])
    })
  })
}
