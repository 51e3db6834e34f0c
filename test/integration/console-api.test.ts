import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type pg from 'pg'
import { silentLogger } from '../../src/lib/log.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { createPostgresReader } from '../../src/store/postgres/reader/reader.ts'
import { createPostgresStore } from '../../src/store/postgres/store.ts'
import { type AdminServer, startAdmin } from '../support/admin.ts'
import { eventually } from '../support/eventually.ts'
import { testDatabase } from '../support/services.ts'

const API = '/_tappet/api/v1'

/** Each answer is also held against the schema of its route, by `admin.request`. */
describe('what the dashboard asks', () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  let pool: pg.Pool
  let admin: AdminServer

  before(async () => {
    database = await testDatabase()
    pool = createPool({ url: database.url, logger: silentLogger })
    const client = await pool.connect()
    await migrate(client, 'ledger')
    client.release()
    admin = await startAdmin(createPostgresStore(pool), { reader: createPostgresReader(pool) })
    for (const [to, fail] of [
      ['a', false],
      ['b', false],
      ['c', true],
      ['d', true],
    ] as const)
      await inState(await send({ to, fail }), fail ? 'dead' : 'completed')
  })
  after(async () => {
    await admin.close()
    await database.drop()
  })

  const get = async (path: string) => {
    const answer = await admin.request(API + path)
    assert.equal(answer.status, 200, `${path}: ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  const post = (path: string, body?: unknown) =>
    admin.request(API + path, { method: 'POST', ...(body !== undefined && { body: JSON.stringify(body) }) })
  const send = async (data: unknown): Promise<string> => {
    const sent = await admin.request('/_tappet/queues/emails', { method: 'POST', body: JSON.stringify(data) })
    return sent.body.runs[0]
  }
  const inState = (id: string, state: string) =>
    eventually(async () => (await admin.store.run(id))?.state === state, `${id} to be ${state}`)
  const q = (filter: string) => `q=${encodeURIComponent(filter)}`

  it('lists runs by a filter, page by page, and counts them', async () => {
    const first = await get(`/runs?${q('function:mail/send data.to:c,d status:failed')}&limit=1`)
    assert.equal(first.runs.length, 1)
    const second = await get(
      `/runs?${q('function:mail/send data.to:c,d status:failed')}&before=${first.next}`,
    )
    assert.deepEqual([second.runs.length, second.next, second.runs[0].held], [1, null, false])
    assert.equal((await get(`/runs?${q('mailbox')}&state=completed`)).runs.length, 0)
    assert.equal((await get(`/runs?${q('')}&function=mail/send`)).runs.length, 4)
    assert.deepEqual(await get(`/runs/count?${q('status:dead')}`), { count: 2, exact: true })
    const wrong = await admin.request(`${API}/runs?${q('statsu:dead')}`)
    assert.deepEqual([wrong.status, wrong.body.error.code], [400, 'TPT_FILTER_INVALID'])
  })

  it('draws runs over time', async () => {
    const { buckets } = await get(`/runs/histogram?${q('function:mail/send')}&since=1h&buckets=4`)
    assert.equal(buckets.length, 4)
    assert.deepEqual([buckets[3].completed, buckets[3].dead], [2, 2])
    assert.equal((await admin.request(`${API}/runs/histogram?since=soon`)).status, 422)
  })

  it('lists events, shows one with its payload and runs, and the chain', async () => {
    const { events } = await get(`/events?${q('data.to:c')}`)
    assert.equal(events.length, 1)
    const shown = await get(`/events/${events[0].id}`)
    assert.deepEqual([shown.event.data.to, shown.runs[0].functionId], ['c', 'mail/send'])
    assert.equal((await get(`/runs/${shown.runs[0].id}/chain`)).events.length, 1)
    assert.deepEqual(await get('/events/count'), { count: 4, exact: true })
    assert.equal((await admin.request(`${API}/events/evt_none`)).status, 404)
  })

  it('gives an overview with what is wrong', async () => {
    const body = await get('/overview')
    assert.deepEqual([body.states.completed, body.states.dead, body.minutes.length], [2, 2, 60])
    assert.equal(body.problems[0].kind, 'function')
    assert.equal((await get('/checks')).checks[0].name, 'postgres')
  })

  it('groups dead letters and failures', async () => {
    const { groups } = await get('/dead/groups?function=mail/send')
    assert.deepEqual([groups.length, groups[0].count], [1, 2])
    const errors = await get('/errors?since=1h')
    assert.deepEqual([errors.groups[0].count, errors.groups[0].isNew], [2, true])
  })

  it('shows a function with statistics and versions, pauses it and resumes it', async () => {
    const shown = await get('/functions/mail/send')
    assert.deepEqual([shown.stats.completed, shown.stats.dead, shown.paused], [2, 2, null])
    assert.deepEqual([shown.versions[0].attempts, shown.versions[0].failed], [4, 2])
    assert.equal((await get('/function-stats')).stats[0].functionId, 'mail/send')

    assert.equal((await post('/functions/mail/send/pause')).body.paused.pausedBy, 'admin')
    const id = await send({ to: 'e' })
    const queue = async () =>
      (await get('/queues')).queues.find((each: { functionId: string }) => each.functionId === 'mail/send')
    await eventually(async () => (await queue()).waiting === 1, 'the run to wait')
    assert.equal((await queue()).paused, true)
    assert.equal((await get('/scale')).desired, 0, 'paused functions need no workers')
    const trigger = (await get('/triggers')).triggers.find(
      (each: { functionId: string }) => each.functionId === 'mail/send',
    )
    assert.deepEqual([trigger.paused, trigger.trigger.queue], [true, 'emails'])
    assert.equal((await post('/functions/mail/send/resume')).status, 200)
    await inState(id, 'completed')
    assert.equal((await post('/functions/mail/sned/pause')).status, 404)
    assert.equal((await post('/functions/nobody/resume')).status, 404)
  })

  it('reads log lines of all runs, back and forth', async () => {
    await eventually(async () => (await get('/logs')).lines.length >= 4, 'the log')
    const { lines, next } = await get(`/logs?${q('sending level>=info')}&limit=2`)
    assert.equal(lines.length, 2)
    assert.ok(BigInt((await get(`/logs?before=${next}&limit=1`)).lines[0].seq) < BigInt(next))
    const later = await get(`/logs?after=${lines[1].seq}&limit=1`)
    assert.equal(later.lines[0].seq, lines[0].seq)
    assert.equal((await get(`/logs?after=${'9'.repeat(18)}`)).next, '9'.repeat(18))
  })

  it('tells scalers how many workers are needed', async () => {
    assert.deepEqual(await get('/scale?function=mail/send&perWorker=5'), {
      ...{ waiting: 0, running: 0, desired: 0, oldestMs: 0 },
    })
    assert.equal((await admin.request(`${API}/scale?perWorker=0`)).status, 422)
  })

  it('lists workers', async () => {
    assert.ok(Array.isArray((await get('/workers')).workers))
  })
})
