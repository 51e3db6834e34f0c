import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Client } from 'pg'
import { silentLogger } from '../../src/lib/log.ts'
import type { Outbox, OutboxMessage } from '../../src/outbox/outbox.ts'
import { createPostgresOutbox } from '../../src/outbox/postgres.ts'
import { eventually } from '../support/eventually.ts'
import { connectClient } from '../support/outbox.ts'
import { testDatabase, type TestDatabase } from '../support/services.ts'

let database: TestDatabase
let client: Client
let outbox: Outbox
const seen: OutboxMessage[] = []

async function received(count: number): Promise<readonly OutboxMessage[]> {
  await eventually(() => seen.length >= count, `${count} messages`)
  await eventually(async () => (await outbox.depth()).rows === 0, 'an empty outbox')
  return seen.splice(0)
}

describe('tappet.send', () => {
  before(async () => {
    database = await testDatabase()
    client = await connectClient(database.url)
    outbox = createPostgresOutbox({ url: database.url, database: null, logger: silentLogger })
    outbox.take('message', async (rows) => void seen.push(...rows))
    await outbox.start()
  })
  after(async () => {
    await outbox.stop()
    await client.end()
    await database.drop()
  })

  test('literals without types, as people write them', async () => {
    const { rows } = await client.query(`select tappet.send('emails', '{"to":"a@b.co"}') as uid`)
    const [message] = await received(1)
    assert.deepEqual(
      { ...message, time: '' },
      {
        kind: 'message',
        uid: rows[0].uid,
        queue: 'emails',
        data: { to: 'a@b.co' },
        key: null,
        delayMs: 0,
        time: '',
      },
    )
  })

  test('json, jsonb, text, parameters and named arguments; key and delay', async () => {
    await client.query(`select tappet.send('q', json_build_object('n', 1))`)
    await client.query(`select tappet.send('q', jsonb_build_object('n', 2), 'key-2')`)
    await client.query(`select tappet.send('q', '{"n":3}'::text, delay => '1 hour')`)
    await client.query(`select tappet.send($1, $2, key => $3)`, ['q', { n: 4 }, 'key-4'])
    await client.query(`select tappet.send(queue => 'q', data => 'null')`)
    const messages = await received(5)
    assert.deepEqual(
      messages.map(({ data, key }) => [data, key]),
      [
        [{ n: 1 }, null],
        [{ n: 2 }, 'key-2'],
        [{ n: 3 }, null],
        [{ n: 4 }, 'key-4'],
        [null, null],
      ],
    )
    const delays = messages.map(({ delayMs }) => delayMs)
    assert.ok((delays[2] ?? 0) > 3_590_000 && (delays[2] ?? 0) <= 3_600_000, String(delays[2]))
    assert.deepEqual(delays.toSpliced(2, 1), [0, 0, 0, 0])
  })

  test('JSON that is nested as deep as Postgres takes it arrives, its depths as text', async () => {
    await client.query(`select tappet.send('q', (repeat('[', 5000) || repeat(']', 5000))::json)`)
    const [message] = await received(1)
    assert.match(JSON.stringify(message?.data), /^\[{1000}"\[{4000}\]{4000}"\]{1000}$/)
  })

  test('a transaction that is rolled back sends nothing, one that commits sends once', async () => {
    await client.query(`begin; select tappet.send('q', '"rolled back"'); rollback`)
    await client.query(`begin; select tappet.send('q', '"committed"'); savepoint a;
    select tappet.send('q', '"to savepoint"'); rollback to a; commit`)
    assert.deepEqual(
      (await received(1)).map(({ data }) => data),
      ['committed'],
    )
  })

  test('what is no message is refused, and says why', async () => {
    const refusals: readonly [string, RegExp][] = [
      [`select tappet.send('', '1')`, /queue must be 1 to 200 visible characters/],
      [`select tappet.send(null, '1')`, /queue must be .* got NULL/],
      [`select tappet.send('two words', '1')`, /queue must be .* got 'two words'/],
      [`select tappet.send(repeat('q', 201), '1')`, /queue must be/],
      [`select tappet.send('q', null)`, /data must be JSON, got NULL/],
      [`select tappet.send('q', 'no json')`, /invalid input syntax for type json/],
      [`select tappet.send('q', '1', delay => '-1 second')`, /delay must be from 0 to 365 days/],
      [`select tappet.send('q', '1', delay => '366 days')`, /delay must be from 0 to 365 days/],
      [`select tappet.send('q', '1', delay => null)`, /delay must be from 0 to 365 days, got NULL/],
    ]
    for (const [sql, message] of refusals) await assert.rejects(client.query(sql), message, sql)
    await client.query(`select tappet.send(repeat('q', 200), '1', delay => '365 days')`)
    assert.equal((await received(1)).length, 1)
  })

  test('a role needs two grants, and gets nothing else by them', async () => {
    const role = `sender_${process.pid}`
    await client.query(`create role ${role}`)
    try {
      await client.query(`grant usage on schema tappet to ${role}; set role ${role}`)
      await assert.rejects(client.query(`select tappet.send('q', '1')`), /permission denied/)
      await client.query(`reset role; grant execute on function tappet.send(text, json, text, interval),
      tappet.send(text, jsonb, text, interval), tappet.send(text, text, text, interval) to ${role}; set role ${role}`)
      await client.query(`select tappet.send('q', '1'), tappet.send('q', '2'::jsonb)`)
      await assert.rejects(client.query(`select from tappet.outbox`), /permission denied/)
      await assert.rejects(
        client.query(`insert into tappet.outbox (kind, bytes) values ('message', 0)`),
        /permission denied/,
      )
      await client.query('reset role')
      assert.equal((await received(2)).length, 2)
    } finally {
      await client.query(`reset role; drop owned by ${role}; drop role ${role}`)
    }
  })
})
