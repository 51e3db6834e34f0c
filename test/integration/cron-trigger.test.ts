import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import pg from 'pg'
import { newId } from '../../src/lib/id.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { createPostgresSchedules } from '../../src/store/postgres/schedules.ts'
import { createCronAdapter } from '../../src/triggers/cron/adapter.ts'
import { cron, type CronOptions, type CronTrigger } from '../../src/triggers/cron/declare.ts'
import type { CronEvent } from '../../src/triggers/cron/event.ts'
import type { Emit, Subscription, TriggerAdapter } from '../../src/triggers/trigger.ts'
import { eventually } from '../support/eventually.ts'
import { serverUrl, type TestDatabase, testDatabase } from '../support/services.ts'

interface Tick {
  readonly at: Date
  readonly lateMs: number
  readonly data: CronEvent['data']
}

let database: TestDatabase
let client: pg.Client
let closers: (() => Promise<unknown>)[]

beforeEach(async () => {
  closers = []
  database = await testDatabase()
  client = new pg.Client({ connectionString: database.url, application_name: 'test' })
  await client.connect()
  await migrate(client, 'ledger')
  await client.query(`
    create table ticks (source text, id text, at timestamptz, data json, made_at timestamptz default clock_timestamp(),
      primary key (source, id))`)
})

afterEach(async () => {
  for (const close of closers.toReversed()) await close()
  await client.end()
  await database.drop()
})

function subscribe(
  expression: string,
  options: CronOptions = {},
  functionId = 'f',
): Subscription<CronTrigger> {
  return { functionId, index: 0, trigger: { ...cron(expression, options), schemas: [] } }
}

interface Node {
  readonly adapter: TriggerAdapter<CronTrigger>
  readonly delays: number[]
  /** How often it has emitted, duplicates included. */
  emits(): number
}

/** One process: its own connections; its ledger is a table whose key is the name of the event. */
async function startNode(
  subscriptions: readonly Subscription<CronTrigger>[],
  afterEmit: (event: CronEvent) => Promise<unknown> = async () => undefined,
): Promise<Node> {
  const pool = createPool({ url: database.url, logger: silentLogger, name: 'tappet-cron' })
  const delays: number[] = []
  const emit: Emit = async (envelope, _subscriptions, options) => {
    const event = envelope as CronEvent
    const { rowCount } = await pool.query(
      'insert into ticks (source, id, at, data) values ($1, $2, $3, $4) on conflict do nothing',
      [event.source, event.id, event.data.scheduledAt, JSON.stringify(event.data)],
    )
    delays.push(options?.delayMs ?? NaN)
    await afterEmit(event)
    return { eventId: '', runIds: [], duplicate: rowCount === 0 }
  }
  const schedules = createPostgresSchedules(pool)
  const adapter = createCronAdapter({ schedules, logger: silentLogger, random: () => 0.5 })
  closers.push(async () => {
    await adapter.stop()
    await pool.end()
  })
  await adapter.start(subscriptions, emit)
  return { adapter, delays, emits: () => delays.length }
}

async function ticks(): Promise<readonly Tick[]> {
  const { rows } = await client.query<Tick>(`
    select at, extract(epoch from made_at - at)::float8 * 1000 as "lateMs", data from ticks order by at`)
  return rows
}

async function sql<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row> {
  const { rows } = await client.query<Row>(text, values)
  return rows[0] as Row
}

/** A pause of all processes, as the database sees it. */
async function missed(ms: number): Promise<void> {
  await sql(`update tappet.schedules set next_at = next_at - $1 * interval '1 ms'`, [ms])
}

/** Each minute, half a minute away from now: no tick comes by itself while the test runs. */
async function farMinutely(): Promise<string> {
  const { second } = await sql<{ second: number }>(
    'select extract(second from clock_timestamp())::int as second',
  )
  return `${(second + 30) % 60} * * * * *`
}

function assertEverySecond(found: readonly Tick[]): void {
  found.forEach(({ at, lateMs, data }, i) => {
    const before = found[i - 1]
    assert.ok(lateMs >= 0, `early by ${-lateMs} ms: ${at.toISOString()}`)
    assert.equal(data.scheduledAt, at.toISOString())
    if (before) assert.equal(at.getTime() - before.at.getTime(), 1_000, 'each second, once')
    assert.equal(data.previousAt, before ? before.at.toISOString() : null)
  })
}

test('G7: three processes make one event per tick, none early, also when their connections are cut', async (t) => {
  const subscription = subscribe('* * * * * *', { catchUp: 'all' })
  const nodes = await Promise.all([1, 2, 3].map(() => startNode([subscription])))
  await eventually(async () => (await ticks()).length >= 3, 'three ticks')
  for (let i = 0; i < 3; i++) {
    const before = (await ticks()).length
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tappet-cron'`,
    )
    await eventually(async () => (await ticks()).length > before, 'another tick')
  }
  const found = await ticks()
  assertEverySecond(found)
  const late = found.map(({ lateMs }) => lateMs).toSorted((a, b) => a - b)
  t.diagnostic(`lateness p50 ${late[late.length >> 1]?.toFixed(1)} ms, max ${late.at(-1)?.toFixed(1)} ms`)
  t.diagnostic(`emitted by each: ${nodes.map((node) => node.emits()).join()}`)
})

test('G7: a process that dies between the event and the schedule makes no second event', async () => {
  let cuts = 0
  const cut = async (): Promise<void> => {
    if (cuts++ >= 2) return
    await client.query(`
      select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'tappet-cron' and state = 'idle in transaction'`)
  }
  const node = await startNode([subscribe('* * * * * *', { catchUp: 'all' })], cut)
  await eventually(async () => (await ticks()).length >= 4, 'four ticks')
  const found = await ticks()
  assert.ok(node.emits() > found.length, 'some were emitted again')
  found.forEach(({ at }, i) => i > 0 && assert.equal(at.getTime() - (found[i - 1]?.at.getTime() ?? 0), 1_000))
})

test('G7: while the database takes no connections nothing is lost', async () => {
  await startNode([subscribe('* * * * * *', { catchUp: 'all' })])
  await eventually(async () => (await ticks()).length >= 1, 'a tick')
  const maintenance = new pg.Client({ connectionString: await serverUrl() })
  await maintenance.connect()
  closers.push(() => maintenance.end())
  const { name, now } = await sql<{ name: string; now: Date }>('select current_database() as name, now()')
  await maintenance.query(`alter database ${name} allow_connections false`)
  await client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tappet-cron'`,
  )
  const passed = async (): Promise<boolean> =>
    (await sql<{ now: Date }>('select now()')).now.getTime() - now.getTime() > 2_500
  await eventually(passed, 'two ticks to be missed')
  const before = (await ticks()).length
  await maintenance.query(`alter database ${name} allow_connections true`)
  await eventually(async () => (await ticks()).length >= before + 3, 'the missed ticks and another')
  assertEverySecond(await ticks())
})

const HOUR = 3_600_000
const CATCH_UP: [string, CronOptions, number, number, number][] = [
  ['skip', { catchUp: 'skip' }, 3 * HOUR, 0, 180],
  ['latest, the default', {}, 3 * HOUR, 1, 179],
  ['latest with nothing in the window', { catchUp: 'latest', catchUpWindow: '10s' }, 3 * HOUR, 0, 180],
  ['all, within an hour', { catchUp: 'all' }, 3 * HOUR, 60, 120],
  ['all, at most 100', { catchUp: 'all', catchUpWindow: '1d' }, 3 * HOUR, 100, 80],
]

for (const [name, options, pausedMs, fired, left] of CATCH_UP) {
  test(`G7: catch-up after a pause of 3 h: ${name}`, async () => {
    const subscription = subscribe(await farMinutely(), options)
    const node = await startNode([subscription])
    assert.deepEqual(await ticks(), [], 'a first start has no past')
    await missed(pausedMs)
    const { skipped, next } = await eventually(async () => {
      const row = await sql<{ next: Date; skipped: string; ahead: boolean }>(
        'select next_at as next, skipped, next_at > now() as ahead from tappet.schedules',
      )
      return row.ahead ? row : null
    }, 'the schedule to go on')
    const found = await ticks()
    assert.deepEqual([found.length, Number(skipped)], [fired, left])
    assert.equal(node.emits(), fired)
    const newest = new Date(next.getTime() - 60_000).toISOString()
    if (fired > 0) assert.equal(found.at(-1)?.data.scheduledAt, newest)
    found.forEach(({ data }, i) => assert.equal(data.previousAt, found[i - 1]?.data.scheduledAt ?? null))
  })
}

test('another expression has no past ticks', async () => {
  const expression = await farMinutely()
  const node = await startNode([subscribe(expression)])
  await node.adapter.stop()
  await missed(HOUR)
  const again = await startNode([subscribe(`${expression.split(' ')[0]} * * * 1-12 *`)])
  const { ahead } = await sql<{ ahead: boolean }>('select next_at > now() as ahead from tappet.schedules')
  assert.equal(ahead, true)
  assert.equal(again.emits() + node.emits(), 0)
})

test('overlap skip: a tick is left out while the run of an earlier one is not over', async () => {
  await startNode([subscribe('* * * * * *', { overlap: 'skip' })], () =>
    client.query(
      `insert into tappet.runs (id, event, function_id, trigger, state, max_attempts) values ($1, '', 'f', 0, 'running', 1)`,
      [newId('run')],
    ),
  )
  const skipped = async (): Promise<number> =>
    Number((await sql<{ skipped: string }>('select skipped from tappet.schedules')).skipped)
  await eventually(async () => (await skipped()) >= 2, 'two ticks left out')
  const [first, second] = await ticks()
  assert.ok(first && !second)
  await client.query(`update tappet.runs set state = 'completed'`)
  const [, next] = await eventually(async () => {
    const found = await ticks()
    return found.length === 2 ? found : null
  }, 'a second event')
  assert.equal(next?.data.previousAt, first.data.scheduledAt)
})

test('jitter delays the run, not the event', async () => {
  const node = await startNode([subscribe('* * * * * *', { jitter: '10s' })])
  await eventually(() => node.delays.length > 0, 'a tick')
  assert.equal(node.delays[0], 5_000)
})

test('what cannot be served is a problem; the others tick, and update changes them', async () => {
  const bad: [Subscription<CronTrigger>, RegExp][] = [
    [subscribe('99 * * * *', {}, 'minute'), /expected minute of 0-59.*got "99"/],
    [subscribe('* * * * *', { timezone: 'Nowhere' }, 'zone'), /`timezone` must be an IANA name.*"Nowhere"/],
    [
      subscribe('* * * * *', { jitter: '5 sec' as '5s' }, 'jitter'),
      /`jitter` must be like '30s', got "5 sec"/,
    ],
    [
      subscribe('* * * * *', { catchUpWindow: '366d' }, 'window'),
      /`catchUpWindow` must be at most '365d', got "366d"/,
    ],
    [
      subscribe('* * * * *', { catchUp: 'some' as 'all' }, 'catchUp'),
      /`catchUp` must be one of 'skip', 'latest', 'all', got "some"/,
    ],
    [subscribe('* * * * *', { overlap: 'no' as 'skip' }, 'overlap'), /`overlap` must be one of .*got "no"/],
  ]
  const node = await startNode([
    ...bad.map(([subscription]) => subscription),
    subscribe('* * * * * *', {}, 'good'),
  ])
  const problems = node.adapter.problems()
  assert.deepEqual(
    problems.map(({ functionId }) => functionId),
    bad.map(([{ functionId }]) => functionId),
  )
  problems.forEach(({ message }, i) => assert.match(message, bad[i]?.[1] ?? /never/))
  await eventually(async () => (await ticks()).length > 0, 'a tick of the good one')
  await node.adapter.update([subscribe('* * * * * *', {}, 'other')])
  assert.deepEqual(node.adapter.problems(), [])
  const others = () =>
    sql<{ count: number }>(`select count(*)::int from ticks where source = '/cron/other/0'`)
  await eventually(async () => (await others()).count > 0, 'a tick of the other')
})

test('stop waits for events under way, and nothing ticks after it', async () => {
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  const node = await startNode([subscribe('* * * * * *')], () => held)
  await eventually(() => node.emits() > 0, 'a tick')
  let stopped = false
  const stopping = node.adapter.stop().then(() => (stopped = true))
  await client.query('select 1')
  assert.equal(stopped, false)
  release()
  await stopping
  const count = node.emits()
  await node.adapter.stop()
  await startNode([subscribe('* * * * * *')])
  await eventually(async () => (await ticks()).length > count, 'ticks of another process')
  assert.equal(node.emits(), count)
})
