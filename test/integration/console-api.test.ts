import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type pg from 'pg'
import { newId } from '../../src/lib/id.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createPostgresBulks } from '../../src/store/postgres/bulks.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { createPostgresReader } from '../../src/store/postgres/reader/reader.ts'
import { createPostgresStore } from '../../src/store/postgres/store.ts'
import { type AdminServer, KEY, startAdmin } from '../support/admin.ts'
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
    admin = await startAdmin(createPostgresStore(pool), {
      reader: createPostgresReader(pool),
      bulks: createPostgresBulks(pool),
    })
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
    assert.deepEqual(
      body.problems.find(({ kind }: { kind: string }) => kind === 'alert'),
      { kind: 'alert', subject: 'mail/send', message: 'The queue of mail/send ages.', fix: null },
    )
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

  it('makes up for ticks of a stretch of time, each once', async () => {
    const body = {
      schedule: 'reports/nightly#0',
      from: '2026-10-24T00:00:00Z',
      until: '2026-10-27T00:00:00Z',
    }
    const ticks = ['2026-10-24T01:00:00.000Z', '2026-10-25T02:00:00.000Z', '2026-10-26T02:00:00.000Z']
    const dry = await post('/schedules/backfill', { ...body, dryRun: true })
    assert.deepEqual([dry.status, dry.body], [200, { ticks, runs: [], known: 0 }])
    const made = await post('/schedules/backfill', body)
    assert.deepEqual([made.status, made.body.runs.length, made.body.known], [202, 3, 0])
    assert.equal((await post('/schedules/backfill', body)).body.known, 3)
    for (const id of made.body.runs) await inState(id, 'completed')
    const { run } = (await post('/schedules/run', { schedule: 'reports/nightly#0' })).body
    await inState(run, 'completed')
    for (const [wrong, status] of [
      [{ ...body, until: '2126-01-01T00:00:00Z' }, 400],
      [{ ...body, from: '2026-10-28T00:00:00Z' }, 400],
      [{ ...body, from: '2020-01-01T00:00:00Z' }, 400],
      [{ ...body, from: 'yesterday' }, 422],
      [{ ...body, schedule: 'nobody#0' }, 404],
    ] as const)
      assert.equal((await post('/schedules/backfill', wrong)).status, status, JSON.stringify(wrong))
  })

  it('tells what functions used, day by day', async () => {
    const { usage, costs, pricesReadOn } = await get('/usage?days=2')
    const mail = usage.find((each: { functionId: string }) => each.functionId === 'mail/send')
    assert.ok(mail.runs >= 4 && mail.attempts >= mail.runs && mail.failed >= 2 && mail.busyMs > 0)
    assert.ok(mail.billedMs >= mail.attempts && mail.gbSeconds > 0 && mail.bytesIn > 0, JSON.stringify(mail))
    assert.match(pricesReadOn, /^\d{4}-\d\d-\d\d$/)
    assert.equal(costs.length, 5)
    for (const { usd } of costs.slice(2)) assert.ok(usd > 0, JSON.stringify(costs))
    assert.equal((await admin.request(`${API}/usage?days=401`)).status, 422)
  })

  it('lists stored files', async () => {
    const { createPostgresFiles } = await import('../../src/store/postgres/files.ts')
    const file = { size: 3, contentType: 'text/plain', sha256: 'aa', filename: null }
    const files = createPostgresFiles(pool)
    for (const key of ['a/1', 'a/2', 'b_1']) await files.insert({ ...file, id: newId('file'), key })
    const first = await get('/uploads?prefix=a/&limit=1')
    assert.equal(first.files[0].key, 'a/2')
    const rest = await get(`/uploads?prefix=a/&before=${first.next}`)
    assert.deepEqual([rest.files[0].key, rest.next], ['a/1', null])
    assert.equal((await get('/uploads?prefix=b%25')).files.length, 0)
  })

  it('looks through a part of a long list at a time where no index helps', async () => {
    await pool.query(`
      insert into tappet.events (id, name, source, event_id, type, time, payload)
      select 'evt_0' || lpad(n::text, 8, '0'), sha256(n::text::bytea), '/old', n::text, 'queue.message', 'x', '{"data":{"n":1}}'
        from generate_series(1, 12000) n`)
    await pool.query(`
      insert into tappet.runs (id, event, function_id, trigger, state, max_attempts, finished_at)
      select 'run_0' || lpad(n::text, 8, '0'), 'evt_0' || lpad(n::text, 8, '0'), 'old', 0, 'completed', 1, now()
        from generate_series(1, 12000) n`)
    const first = await get(`/runs?${q('function:old data.n:2')}`)
    assert.deepEqual([first.runs, first.partial, first.next], [[], true, 'run_000002001'])
    const rest = await get(`/runs?${q('function:old data.n:2')}&before=${first.next}`)
    assert.deepEqual([rest.partial, rest.next], [false, null])
    assert.deepEqual(await get(`/runs/count?${q('function:old data.n:1')}`), { count: 10_000, exact: false })
    assert.equal((await get(`/events?${q('source:nowhere')}`)).partial, true)
    await pool.query(
      `delete from tappet.runs where function_id = 'old'; delete from tappet.events where source = '/old'`,
    )
  })

  it('lists workers', async () => {
    assert.ok(Array.isArray((await get('/workers')).workers))
  })

  const follow = async (query: string, headers: Record<string, string> = {}) => {
    const aborter = new AbortController()
    const response = await fetch(`${admin.url}${API}/stream${query}`, {
      signal: aborter.signal,
      headers: { authorization: `Bearer ${KEY}`, ...headers },
    })
    assert.equal(response.status, 200)
    const got = { text: '' }
    const reading = (async () => {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>)
        got.text += Buffer.from(chunk).toString()
    })().catch(() => undefined)
    return {
      got,
      async close() {
        aborter.abort()
        await reading
      },
    }
  }

  it('tells viewers which runs change, and resumes where they were', async () => {
    const first = await follow(`?${q('function:mail/send')}`)
    const other = await follow(`?${q('function:orders/place')}`)
    // What was there before is no news: it takes one look to know it.
    let sent = ''
    await eventually(async () => {
      sent = await send({ to: 'live' })
      return first.got.text.includes('event: runs')
    }, 'news')
    await inState(sent, 'completed')
    await eventually(async () => first.got.text.includes(sent), 'the newest run')
    const ids = [...first.got.text.matchAll(/^id: (.+)$/gm)].map(([, id = '']) => id)
    await first.close()
    const missed = await send({ to: 'missed', fail: true })
    await inState(missed, 'dead')
    const again = await follow(`?${q('function:mail/send')}`, { 'last-event-id': ids.at(-1) ?? '' })
    await eventually(async () => again.got.text.includes(missed), 'what was missed')
    assert.ok(!again.got.text.includes('event: reset'))
    await again.close()
    assert.ok(!other.got.text.includes('event:'), other.got.text)
    await other.close()
    const late = await follow('', { 'last-event-id': 'gone-7' })
    await eventually(async () => late.got.text.includes('event: reset'), 'a reset')
    await late.close()
    const wrong = await admin.request(`${API}/stream?${q('data.to:a')}`)
    assert.deepEqual([wrong.status, wrong.body.error.code], [400, 'TPT_FILTER_INVALID'])
  })

  it('replays all that match, oldest first, after a dry run', async () => {
    const dead = await get(`/runs?${q('status:dead')}`)
    const body = { action: 'replay', q: 'function:mail/send status:dead', rate: 1_000 }
    const dry = await post('/bulk', { ...body, dryRun: true })
    assert.deepEqual([dry.status, dry.body.count, dry.body.exact], [200, dead.runs.length, true])
    assert.equal(dry.body.sample[0].id, dead.runs[0].id)
    const before = (await admin.store.attempts(dead.runs[0].id)).length
    const made = await post('/bulk', body)
    assert.equal(made.status, 202, JSON.stringify(made.body))
    const { id } = made.body.bulk
    await eventually(async () => (await get(`/bulk/${id}`)).bulk.state === 'done', 'the bulk action')
    const { bulk } = await get(`/bulk/${id}`)
    assert.deepEqual([bulk.total, bulk.done, bulk.skipped], [dead.runs.length, dead.runs.length, 0])
    assert.equal((await get(`/runs?${q(`bulk:${id}`)}`)).runs.length, dead.runs.length)
    await eventually(
      async () => (await admin.store.attempts(dead.runs[0].id)).length === before + 1,
      'another attempt',
    )
    await inState(dead.runs[0].id, 'dead')
    assert.equal((await get('/bulk?limit=1')).bulks[0].id, id)
    assert.match((await get('/audit?limit=1')).entries[0].target, /^bulk_\w+ replay \d+ runs: function:mail/)
  })

  it('stops a bulk action, and refuses what is not one', async () => {
    await post('/functions/mail/send/pause')
    const ids = await Promise.all(['1', '2', '3'].map((to) => send({ to })))
    const made = await post('/bulk', { action: 'cancel', q: 'function:mail/send', rate: 1 })
    assert.deepEqual([made.status, made.body.bulk.total], [202, 3])
    const { id } = made.body.bulk
    await eventually(async () => (await get(`/bulk/${id}`)).bulk.done === 1, 'its first step')
    assert.equal((await post(`/bulk/${id}/stop`)).body.bulk.state, 'stopped')
    assert.equal((await admin.store.run(ids.toSorted()[0] ?? ''))?.state, 'cancelled', 'the oldest first')
    await post('/functions/mail/send/resume')
    for (const each of ids.toSorted().slice(1)) await inState(each, 'completed')
    for (const [wrong, status] of [
      [{ action: 'replay', q: '' }, 400],
      [{ action: 'replay', q: 'nope:1' }, 400],
      [{ action: 'delete', q: 'x' }, 422],
      [{ action: 'replay', q: 'x', rate: 0 }, 422],
    ] as const)
      assert.equal((await post('/bulk', wrong)).status, status, JSON.stringify(wrong))
    assert.equal((await post('/bulk/bulk_none/stop')).status, 404)
  })

  it('goes on with a bulk action whose process died in a step', async () => {
    const [gone, left] = [await send({ to: 'x', fail: true }), await send({ to: 'y', fail: true })]
    for (const each of [gone, left]) await inState(each, 'dead')
    const bulks = createPostgresBulks(pool)
    const filter = `id:${gone},${left}`
    const bulk = await bulks.create({
      ...{ id: newId('bulk'), action: 'cancel', filter: `id:${gone}`, rate: 1, total: 0 },
      ...{ reason: null, createdBy: 'test' },
    })
    assert.equal((await bulks.stop(bulk.id))?.state, 'stopped')
    // As it is when a process has touched a run, and died before it could say so.
    await post('/functions/mail/send/pause')
    const id = newId('bulk')
    await bulks.mark(id, [gone, left])
    assert.ok(await admin.store.replay(gone))
    await bulks.create({
      ...{ id, action: 'replay', filter, rate: 1_000, total: 2, reason: null, createdBy: 'test' },
    })
    await eventually(async () => (await bulks.show(id))?.state === 'done', 'it to be done')
    assert.deepEqual([(await bulks.show(id))?.done, (await bulks.show(id))?.skipped], [2, 0])
    await post('/functions/mail/send/resume')
    for (const each of [gone, left]) await inState(each, 'dead')
  })
})
