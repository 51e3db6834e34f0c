import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, test } from 'node:test'
import type { Client } from 'pg'
import { silentLogger } from '../../src/lib/log.ts'
import { startListener } from '../../src/outbox/listener.ts'
import type { Outbox, OutboxChange } from '../../src/outbox/outbox.ts'
import { createPostgresOutbox } from '../../src/outbox/postgres.ts'
import { eventually } from '../support/eventually.ts'
import { connectClient } from '../support/outbox.ts'
import { serverUrl, testDatabase, type TestDatabase } from '../support/services.ts'
import { startProxy } from '../support/proxy.ts'

const ROWS = 12

let database: TestDatabase
let client: Client
let outboxes: Outbox[]
let children: ChildProcess[]

beforeEach(async () => {
  database = await testDatabase()
  client = await connectClient(database.url, { outbox: true })
  await client.query(`
    create table items (id int primary key, v int not null);
    create trigger tappet_test after insert or update on items for each row
      execute function tappet.capture('default', 'b1', 'public', 'items', '{}')`)
  outboxes = []
  children = []
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  await Promise.all(outboxes.map((outbox) => outbox.stop()))
  await client.end()
  await database.drop()
})

function makeOutbox(): Outbox {
  const outbox = createPostgresOutbox({ url: database.url, database: null, logger: silentLogger })
  outboxes.push(outbox)
  return outbox
}

async function isEmpty(outbox: Outbox): Promise<boolean> {
  return (await outbox.depth()).rows === 0
}

function leader(): Outbox | undefined {
  return outboxes.find((outbox) => outbox.health().leader)
}

/** Ends our connections in the server, by what they are for. */
function terminate(name: string): Promise<unknown> {
  return client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name = $1`,
    [`tappet ${name}`],
  )
}

/** Numbers from 0 to 1 that a seed repeats (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Transactions of several updates each, some held open for long, some rolled back. */
async function writeForAWhile(random: () => number, transactions: number): Promise<void> {
  const writer = await connectClient(database.url)
  for (let n = 0; n < transactions; n++) {
    await writer.query('begin')
    const ids = Array.from({ length: 1 + Math.floor(random() * 4) }, () => Math.floor(random() * ROWS))
    // In one order, or two writers deadlock.
    for (const id of [...new Set(ids)].toSorted((a, b) => a - b)) {
      await writer.query('update items set v = v + 1 where id = $1', [id])
    }
    if (random() < 0.1) await writer.query('select pg_sleep($1)', [random() * 0.15])
    await writer.query(random() < 0.15 ? 'rollback' : 'commit')
  }
  await writer.end()
}

const seed = Number(process.env.TAPPET_TEST_SEED ?? Date.now() % 1_000_000)

test(`G1: loses nothing and keeps each row's order when its connections die under load (seed ${seed})`, async () => {
  const random = randomOf(seed)
  const seen: OutboxChange[] = []
  const known = new Set<string>()
  const outbox = makeOutbox()
  outbox.take('change', async (rows) => {
    if (random() < 0.02) throw new Error('not now')
    for (const row of rows) if (!known.has(row.uid)) seen.push(row)
    for (const { uid } of rows) known.add(uid)
    if (random() < 0.02) throw new Error('taken, but the answer is lost')
  })
  await outbox.start()
  await client.query(`insert into items select n, 0 from generate_series(0, ${ROWS - 1}) n`)

  let writing = true
  const faults = async (): Promise<number> => {
    for (let count = 0; ; count++) {
      if (!writing) return count
      await terminate(random() < 0.5 ? 'outbox' : 'listener')
      await client.query('select pg_sleep($1)', [0.05 + random() * 0.2])
    }
  }
  const killing = faults()
  await Promise.all([1, 2, 3, 4].map((n) => writeForAWhile(randomOf(seed + n), 150)))
  writing = false
  const killed = await killing
  await eventually(() => isEmpty(outbox), 'an empty outbox', 30_000)

  const { rows } = await client.query<{ id: number; v: number }>('select id, v from items order by id')
  const values = (id: number): unknown[] =>
    seen.filter(({ after }) => after?.id === id).map(({ after }) => after?.v)
  for (const { id, v } of rows) {
    assert.deepEqual(
      values(id),
      Array.from({ length: v + 1 }, (_, n) => n),
      `row ${id}, seed ${seed}`,
    )
  }
  assert.ok(killed >= 5, `only ${killed} faults`)
  assert.ok(outbox.health().reconnects > 0)
})

test('of two, one drains; when it is closed, the other takes over; each row comes once', async () => {
  const seen: string[] = []
  const [first, second] = [makeOutbox(), makeOutbox()]
  for (const outbox of [first, second]) {
    outbox.take('message', async (rows) => void seen.push(...rows.map(({ uid }) => uid)))
    await outbox.start()
  }
  const sent: string[] = []
  const send = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) {
      const { rows } = await client.query<{ send: string }>(`select tappet.send('q', '1')`)
      sent.push(rows[0]?.send ?? '')
    }
  }
  await eventually(leader, 'a leader')
  await send(100)
  const led = await eventually(leader, 'the leader')
  await send(50)
  const closing = led.stop()
  await send(50)
  await closing
  const next = await eventually(leader, 'another leader', 2_000)
  assert.notEqual(next, led)
  await send(100)
  await eventually(() => isEmpty(next), 'an empty outbox')
  assert.deepEqual(seen, sent)
})

test('G6: when the process of the leader is killed, another takes over within seconds', async () => {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(new URL('../support/outbox-child.ts', import.meta.url)), database.url],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  children.push(child)
  let said = ''
  child.stdout.on('data', (data: Buffer) => {
    said += data.toString()
  })
  await eventually(() => said.includes('started'), 'the other process')
  await client.query(`select tappet.send('q', '0')`)
  await eventually(() => said.split('\n').length > 2, 'a row in the other process')

  const seen: string[] = []
  const outbox = makeOutbox()
  outbox.take('message', async (rows) => void seen.push(...rows.map(({ uid }) => uid)))
  await outbox.start()
  const { rows } = await client.query<{ send: string }>(
    `select tappet.send('q', to_jsonb(n)) from generate_series(1, 5000) n`,
  )
  child.kill('SIGKILL')
  const killedAt = performance.now()
  await once(child, 'exit')
  await eventually(() => outbox.health().leader, 'the lead')
  assert.ok(performance.now() - killedAt < 3_000, `took ${performance.now() - killedAt} ms`)
  await eventually(() => isEmpty(outbox), 'an empty outbox')
  const all = new Set([...said.split('\n'), ...seen])
  assert.deepEqual(
    rows.map(({ send }) => send).filter((uid) => !all.has(uid)),
    [],
  )
})

test('finds what was committed while an open transaction held back the NOTIFY', async () => {
  const outbox = makeOutbox()
  const seen: unknown[] = []
  outbox.take('message', async (rows) => void seen.push(...rows.map(({ data }) => data)))
  await outbox.start()
  const holder = await connectClient(database.url)
  await holder.query(`begin; select tappet.send('q', '"held"')`)
  await client.query(`select tappet.send('q', '"free"')`)
  await eventually(() => seen.length === 1, 'the free message', 2_000)
  await holder.query('rollback')
  await client.query(`select tappet.send('q', '"after"')`)
  await eventually(() => seen.length === 2, 'the message after', 2_000)
  await holder.end()
  assert.deepEqual(seen, ['free', 'after'])
})

test('G9: a backlog that grew while it was away goes quickly, and also behind rows that nobody takes', async () => {
  const outbox = makeOutbox()
  let delivered = 0
  outbox.take('message', async (rows) => void (delivered += rows.length))
  await outbox.start()
  await client.query(`insert into items select n, 0 from generate_series(1, 5000) n`)
  await client.query(`select tappet.send('q', '1')`)
  await eventually(() => delivered === 1, 'the first message')
  const started = performance.now()
  await client.query(`select tappet.send('q', to_json(n)) from generate_series(1, 30000) n`)
  await eventually(() => delivered === 30_001, 'the backlog', 30_000)
  const tookMs = performance.now() - started
  assert.ok(tookMs < 8_000, `took ${tookMs} ms`)
  assert.equal((await outbox.depth()).rows, 5_000)
})

/** Why two-phase commit cannot be tried on the server, or false. */
async function cannotPrepare(): Promise<string | false> {
  const server = await connectClient(await serverUrl())
  const { rows } = await server.query<{ max: number }>(
    `select current_setting('max_prepared_transactions')::int as max`,
  )
  await server.end()
  return rows[0]?.max === 0 && 'max_prepared_transactions is 0 on the server'
}

const skip = await cannotPrepare()

test('two-phase commit works with the wake-up switched off', { skip }, async () => {
  const outbox = makeOutbox()
  let delivered = 0
  outbox.take('message', async (taken) => void (delivered += taken.length))
  await outbox.start()
  await client.query(`set tappet.wake = off; begin`)
  await client.query(`select tappet.send('q', '1')`)
  await client.query(`prepare transaction 'tappet-test'`)
  await client.query(`commit prepared 'tappet-test'`)
  await eventually(() => delivered === 1, 'the message')
})

test('a listener that hears nothing, on a line that looks open, is replaced', async () => {
  const proxy = await startProxy(database.url)
  let wakes = 0
  const listener = startListener({
    url: proxy.url,
    logger: silentLogger,
    onWake: () => void wakes++,
    echoMs: 50,
    deafMs: 400,
  })
  try {
    await eventually(() => wakes > 0, 'the line')
    const heard = async (): Promise<boolean> => {
      const before = wakes
      await client.query(`select pg_notify('tappet_outbox', '')`)
      return eventually(() => wakes > before, 'a wake-up', 500).then(() => true)
    }
    await eventually(heard, 'a wake-up')
    assert.equal(listener.reconnects(), 0)
    const connections = proxy.connections()
    proxy.stall()
    await eventually(() => listener.reconnects() > 0, 'the watchdog')
    proxy.resume()
    await eventually(heard, 'a wake-up on a new line')
    assert.ok(proxy.connections() > connections)
    assert.ok(listener.silentMs() < 1_000)
  } finally {
    await listener.stop()
    await proxy.close()
  }
})

test('stops although the database has gone', async () => {
  const proxy = await startProxy(database.url)
  const outbox = createPostgresOutbox({ url: proxy.url, database: null, logger: silentLogger })
  outbox.take('message', async () => undefined)
  await outbox.start()
  await eventually(() => outbox.health().leader, 'the lead')
  await proxy.close()
  await eventually(() => outbox.health().reconnects > 1, 'tries to reconnect')
  assert.equal(outbox.health().leader, false)
  await assert.rejects(outbox.depth(), { code: 'TPT_UNAVAILABLE' })
  await outbox.stop()
})

test('start rejects when there is no database, and may be tried again', async () => {
  const outbox = createPostgresOutbox({
    url: 'postgres://nobody@127.0.0.1:1/none',
    database: null,
    logger: silentLogger,
  })
  await assert.rejects(outbox.start(), { code: 'TPT_UNAVAILABLE' })
  await assert.rejects(outbox.start(), { code: 'TPT_UNAVAILABLE' })
  await outbox.stop()
})
