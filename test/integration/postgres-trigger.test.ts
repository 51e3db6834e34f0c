import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { connectClient } from '../support/outbox.ts'
import {
  bind,
  postgres,
  readCatalog,
  startHarness,
  type TriggerHarness,
} from '../support/postgres-trigger.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { createPostgresOutbox } from '../../src/outbox/postgres.ts'
import { testDatabase } from '../support/services.ts'

const ORDERS = `
  create table orders (id int primary key, status text not null default 'new', total numeric, note text, doc json)`

let harness: TriggerHarness

beforeEach(async () => {
  harness = await startHarness()
})
afterEach(() => harness.close())

function types(): string[] {
  return harness.emitted.map(({ event }) => event.type)
}

describe('what happens to rows', () => {
  test('an insert', async () => {
    await harness.sql(ORDERS)
    await harness.start(bind('on-created', postgres.table('orders').onInsert()))
    assert.deepEqual(harness.adapter.problems(), [])
    await harness.sql(`insert into orders values (7, 'new', 12.50, 'ä "quoted"', '{"a":[1]}')`)
    const [{ event, functions, options } = assert.fail()] = await harness.events(1)
    const row = { id: 7, status: 'new', total: 12.5, note: 'ä "quoted"', doc: { a: [1] } }
    assert.deepEqual(functions, ['on-created'])
    assert.deepEqual(options, { invalid: 'keep' })
    assert.match(event.id, /^[0-9a-f-]{36}$/)
    assert.ok(Math.abs(Date.parse(event.time) - Date.now()) < 60_000, event.time)
    assert.match(event.change.transaction, /^\d+$/)
    assert.deepEqual(
      { ...event, id: '', time: '', change: { ...event.change, transaction: '' } },
      {
        specversion: '1.0',
        id: '',
        source: '/postgres/public/orders',
        type: 'postgres.insert',
        subject: '7',
        time: '',
        data: row,
        change: {
          schema: 'public',
          table: 'orders',
          changed: ['id', 'status', 'total', 'note', 'doc'],
          key: { id: 7 },
          transaction: '',
          before: null,
          after: row,
        },
      },
    )
  })

  test('an update counts only if a column of `of` has another value, whoever changed it', async () => {
    await harness.sql(`${ORDERS};
      create function shout() returns trigger language plpgsql as $$ begin
        if new.note = 'pay' then new.status := 'paid'; end if; return new; end $$;
      create trigger shout before update on orders for each row execute function shout();
      insert into orders values (1, 'new', 1)`)
    await harness.start(bind('on-status', postgres.table('orders').onUpdate({ of: ['status'] })))
    await harness.sql(`update orders set status = 'new' where id = 1`)
    await harness.sql(`update orders set total = 2 where id = 1`)
    await harness.sql(`insert into orders values (2)`)
    await harness.sql(`delete from orders where id = 2`)
    await harness.sql(`update orders set note = 'pay' where id = 1`)
    const [{ event } = assert.fail()] = await harness.events(1)
    assert.equal(event.type, 'postgres.update')
    assert.deepEqual(event.change.changed, ['status', 'note'])
    assert.equal(event.change.before?.status, 'new')
    assert.equal(event.change.after?.status, 'paid')
    assert.deepEqual(event.data, event.change.after)
  })

  test('an update of any column, also to and from null, also of json; not one that changes nothing', async () => {
    await harness.sql(`${ORDERS}; insert into orders values (1, 'new', null, null, '{"a":1}')`)
    await harness.start(
      bind('any', postgres.table('orders').onUpdate()),
      bind('doc', postgres.table('orders').onUpdate({ of: ['doc'] })),
    )
    await harness.sql(`update orders set status = status, total = total`)
    await harness.sql(`update orders set total = 1`)
    await harness.sql(`update orders set doc = '{"a":2}', total = null`)
    const events = await harness.events(3)
    assert.deepEqual(
      events.map(({ event, functions }) => [...functions, ...event.change.changed].join(' ')).toSorted(),
      ['any total', 'any total doc', 'doc total doc'],
    )
  })

  test('a delete carries the row as it last was', async () => {
    await harness.sql(`${ORDERS}; insert into orders values (1, 'new', 5)`)
    await harness.start(bind('on-deleted', postgres.table('orders').onDelete()))
    await harness.sql(`delete from orders`)
    const [{ event } = assert.fail()] = await harness.events(1)
    assert.equal(event.type, 'postgres.delete')
    assert.equal(event.data.total, 5)
    assert.equal(event.change.after, null)
    assert.deepEqual(event.change.before, event.data)
    assert.equal(event.subject, '1')
  })

  test('any change, and a truncate', async () => {
    await harness.sql(ORDERS)
    await harness.start(
      bind('changed', postgres.table('orders').onChange()),
      bind('emptied', postgres.table('orders').onTruncate()),
    )
    await harness.sql(`insert into orders values (1), (2), (3)`)
    await harness.sql(`update orders set total = id where id < 3`)
    await harness.sql(`delete from orders where id = 3`)
    await harness.sql(`truncate orders`)
    await harness.events(7)
    assert.deepEqual(types(), [
      ...['insert', 'insert', 'insert', 'update', 'update', 'delete', 'truncate'].map(
        (verb) => `postgres.${verb}`,
      ),
    ])
    const { event, functions } = harness.emitted[6] ?? assert.fail()
    assert.deepEqual(functions, ['emptied'])
    assert.equal(event.data, null)
    assert.deepEqual(
      { ...event.change, transaction: '' },
      { schema: 'public', table: 'orders', changed: [], transaction: '', before: null, after: null },
    )
    assert.equal(event.subject, undefined)
  })

  test('what is rolled back, whole or to a savepoint, has not happened', async () => {
    await harness.sql(ORDERS)
    await harness.start(bind('changed', postgres.table('orders').onChange()))
    await harness.sql(`begin; insert into orders values (1); rollback`)
    await harness.sql(`begin; insert into orders values (2); savepoint a; insert into orders values (3);
      update orders set total = 1; rollback to a; insert into orders values (4); commit`)
    const events = await harness.events(2)
    assert.deepEqual(
      events.map(({ event }) => event.data.id),
      [2, 4],
    )
  })

  test('an upsert is an insert or an update; one that changes nothing is neither', async () => {
    await harness.sql(ORDERS)
    await harness.start(bind('changed', postgres.table('orders').onChange()))
    const upsert = `insert into orders (id, total) values ($1, $2) on conflict (id) do update set total = excluded.total`
    await harness.sql(upsert, [1, 10])
    await harness.sql(upsert, [1, 20])
    await harness.sql(upsert, [1, 20])
    await harness.sql(`insert into orders values (1) on conflict do nothing`)
    await harness.events(2)
    assert.deepEqual(types(), ['postgres.insert', 'postgres.update'])
  })

  test('many rows of one statement, in order, and the changes of one row in order', async () => {
    await harness.sql(ORDERS)
    await harness.start(bind('changed', postgres.table('orders').onChange()))
    await harness.sql(`insert into orders select n, 'new', 0 from generate_series(1, 1500) n`)
    for (let n = 1; n <= 20; n++) await harness.sql(`update orders set total = $1 where id = 1`, [n])
    const events = await harness.events(1520)
    assert.deepEqual(
      events.slice(0, 1500).map(({ event }) => event.data.id),
      Array.from({ length: 1500 }, (_, n) => n + 1),
    )
    assert.deepEqual(
      events.slice(1500).map(({ event }) => event.data.total),
      Array.from({ length: 20 }, (_, n) => n + 1),
    )
    assert.equal(new Set(events.map(({ event }) => event.id)).size, 1520)
  })

  test('`when` filters in the database, for the operations that have the rows that it names', async () => {
    await harness.sql(ORDERS)
    await harness.start(
      bind('big', postgres.table('orders').onInsert({ when: `new.total > 100 -- cents` })),
      bind(
        'grown',
        postgres.table('orders').onChange({ when: `new.total > old.total and new.note <> 'old'` }),
      ),
    )
    assert.deepEqual(harness.adapter.problems(), [])
    await harness.sql(`insert into orders values (1, 'a', 100, ''), (2, 'b', 101, '')`)
    await harness.sql(`update orders set total = total - 1`)
    await harness.sql(`update orders set total = total + 1 where id = 2`)
    await harness.sql(`delete from orders where id = 1`)
    const events = await harness.events(5)
    assert.deepEqual(
      events
        .map(({ event, functions }) => `${functions[0]} ${event.type.slice(9)} ${String(event.data.id)}`)
        .toSorted(),
      ['big insert 2', 'grown delete 1', 'grown insert 1', 'grown insert 2', 'grown update 2'],
    )
  })

  test('excluded columns never leave the database', async () => {
    await harness.sql(`create table users (id int primary key, email text, password text, raw json)`)
    const users = postgres.table('users', { exclude: ['password'] })
    await harness.start(bind('changed', users.onChange()))
    const seen: string[] = []
    const spy = await connectClient(harness.url)
    await spy.query('begin')
    await spy.query(`insert into users values (1, 'a@b.co', 'S3CRET', '{"a":"\\u0000"}')`)
    await spy.query(`update users set password = 'S3CRET too', email = 'c@d.co'`)
    for (const { row } of (await spy.query(`select o::text as row from tappet.outbox o`)).rows) seen.push(row)
    await spy.query('commit')
    await spy.end()
    const events = await harness.events(2)
    assert.equal(seen.length, 2)
    assert.ok(!seen.join().includes('S3CRET'))
    assert.deepEqual(events[0]?.event.data, { id: 1, email: 'a@b.co', raw: { a: '\u0000' } })
    assert.deepEqual(events[1]?.event.change.changed, ['email'])
  })

  test('functions with the same wish share a trigger; one row is one event with a run for each', async () => {
    await harness.sql(ORDERS)
    await harness.start(
      bind('a', postgres.table('orders').onInsert()),
      bind('b', postgres.table('orders').onChange()),
      bind('c', postgres.table('orders').onInsert({ when: 'new.total > 5' })),
    )
    assert.equal((await harness.sql(`select from pg_trigger where tgname like 'tappet%'`)).length, 4)
    await harness.sql(`insert into orders values (1, 'x', 3)`)
    const [{ functions } = assert.fail()] = await harness.events(1)
    assert.deepEqual(functions, ['a', 'b'])
  })
})

describe('values and tables of all kinds', () => {
  test('a value of 1 MB, before and after, also where the update leaves it alone', async () => {
    await harness.sql(`${ORDERS}; alter table orders alter note set storage external`)
    await harness.start(bind('changed', postgres.table('orders').onChange()))
    const note = 'ü'.repeat(500_000)
    await harness.sql(`insert into orders values (1, 'new', 1, $1)`, [note])
    await harness.sql(`update orders set total = 2`)
    const events = await harness.events(2)
    assert.equal(events[0]?.event.data.note, note)
    assert.equal(events[1]?.event.change.before?.note, note)
    assert.equal(events[1]?.event.change.after?.note, note)
    assert.deepEqual(events[1]?.event.change.changed, ['total'])
  })

  test('60 rows of 1 MB come in batches that fit in memory', async () => {
    await harness.sql(ORDERS)
    const batches: number[] = []
    const outbox = harness.outbox(null)
    const { take } = outbox
    outbox.take = (kind, deliver) =>
      take(kind, (rows) => {
        batches.push(rows.length)
        return deliver(rows)
      })
    await harness.start(bind('created', postgres.table('orders').onInsert()))
    await harness.sql(
      `insert into orders select n, 'new', 1, repeat(md5(n::text), 31250) from generate_series(1, 60) n`,
    )
    await harness.events(60)
    assert.ok(Math.max(...batches) <= 9, `batches of ${batches.join(', ')}`)
  })

  test('numbers that JavaScript cannot hold are text, all others numbers', async () => {
    await harness.sql(`create table numbers (id bigint primary key, n numeric, f float8, j jsonb)`)
    await harness.start(bind('created', postgres.table('numbers').onInsert()))
    await harness.sql(`insert into numbers values
      (9007199254740993, 12345678901234567890.123456789, 0.1::float8 + 0.2::float8, '{"x": 1e400, "y": [1, 123456789012345678]}'),
      (9007199254740991, 1.50, 'NaN', '{"s": "12345678901234567890"}')`)
    const events = await harness.events(2)
    assert.deepEqual(
      events.map(({ event }) => ({ ...event.data, j: null })),
      [
        { id: '9007199254740993', n: '12345678901234567890.123456789', f: 0.1 + 0.2, j: null },
        { id: 9007199254740991, n: 1.5, f: 'NaN', j: null },
      ],
    )
    assert.deepEqual(events[0]?.event.data.j, { x: `1${'0'.repeat(400)}`, y: [1, '123456789012345678'] })
    assert.deepEqual(events[1]?.event.data.j, { s: '12345678901234567890' })
    assert.equal(events[0]?.event.subject, '9007199254740993')
  })

  test('a composite key in its own order, and a table without any', async () => {
    await harness.sql(
      `create table lines (a int, b text, c int, primary key (b, a)); create table loose (x int, y int)`,
    )
    await harness.start(
      bind('lines', postgres.table('lines').onChange()),
      bind('loose', postgres.table('loose').onChange()),
    )
    await harness.sql(`insert into lines values (1, 'k', 2); insert into loose values (1, 2);
      update loose set y = 3; delete from loose`)
    const events = await harness.events(4)
    assert.deepEqual(Object.entries(events[0]?.event.change.key ?? {}), [
      ['b', 'k'],
      ['a', 1],
    ])
    assert.equal(events[0]?.event.subject, 'k,1')
    assert.deepEqual(events[1]?.event.change.key, {})
    assert.equal(events[1]?.event.subject, undefined)
  })

  test('generated columns, identity, defaults, arrays and enums come as Postgres made them', async () => {
    await harness.sql(`create type mood as enum ('sad', 'ok');
      create table things (id int generated always as identity primary key, net int, gross int generated always as (net * 2) stored,
        tags text[], feels mood default 'ok', at timestamptz default '2026-01-02T03:04:05.678901Z', raw bytea)`)
    await harness.start(bind('things', postgres.table('things').onInsert()))
    await harness.client.query(`set timezone = 'UTC'`)
    await harness.sql(`insert into things (net, tags, raw) values (4, '{a,"b c",NULL}', '\\x00ff')`)
    const [{ event } = assert.fail()] = await harness.events(1)
    assert.deepEqual(event.data, {
      id: 1,
      net: 4,
      gross: 8,
      tags: ['a', 'b c', null],
      feels: 'ok',
      at: '2026-01-02T03:04:05.678901+00:00',
      raw: '\\x00ff',
    })
  })

  test('a partitioned table by its root, also through partitions and those that are attached later', async () => {
    await harness.sql(`create table logs (id int, day date, text text, primary key (id, day)) partition by range (day);
      create table logs_1 partition of logs for values from ('2026-01-01') to ('2026-02-01')`)
    await harness.start(bind('logs', postgres.table('logs').onChange()))
    await harness.sql(`create table logs_2 (text text, day date not null, id int not null, junk int);
      alter table logs_2 drop column junk;
      alter table logs attach partition logs_2 for values from ('2026-02-01') to ('2026-03-01')`)
    await harness.sql(`insert into logs values (1, '2026-01-05', 'root')`)
    await harness.sql(`insert into logs_1 values (2, '2026-01-06', 'direct')`)
    await harness.sql(`insert into logs values (3, '2026-02-06', 'late')`)
    await harness.sql(`update logs set text = 'x' where id = 3`)
    const events = await harness.events(4)
    for (const { event } of events) assert.equal(event.source, '/postgres/public/logs')
    assert.deepEqual(
      events.map(({ event }) => event.change.key),
      [1, 2, 3, 3].map((id, n) => ({ id, day: ['2026-01-05', '2026-01-06', '2026-02-06', '2026-02-06'][n] })),
    )
    await harness.sql(`alter table logs detach partition logs_1`)
    assert.equal((await harness.sql(`select from pg_trigger where tgrelid = 'logs_1'::regclass`)).length, 0)
    assert.deepEqual(harness.adapter.problems(), [])
  })

  const names = [
    'simple',
    'With Space',
    'quo"te',
    `apo'strophe`,
    'back\\slash',
    'semi; drop table users; --',
    '$$dollar$$',
    'ünïcode 😀',
    'x'.repeat(63),
    'ü'.repeat(31),
    'select',
    'a.b',
    '{brace,"comma"}',
  ]
  for (const name of names) {
    test(`a table, a schema and columns named ${JSON.stringify(name)}`, async () => {
      const quoted = `"${name.replaceAll('"', '""')}"`
      await harness.sql(`create schema ${quoted};
        create table ${quoted}.${quoted} (${quoted} int primary key, "other" text, secret${'"'.slice(1)} text)`)
      const table = postgres.table(`${quoted}.${quoted}`, { exclude: ['secret'] })
      await harness.start(
        bind('f', table.onInsert()),
        bind('g', table.onUpdate({ of: [name] })),
        bind('h', postgres.table(`${quoted}.${quoted}`, { exclude: [name] }).onDelete()),
      )
      assert.deepEqual(harness.adapter.problems(), [])
      await harness.sql(`insert into ${quoted}.${quoted} values (1, 'o', 's')`)
      await harness.sql(`update ${quoted}.${quoted} set ${quoted} = 2`)
      await harness.sql(`delete from ${quoted}.${quoted}`)
      const [inserted, updated, deleted] = await harness.events(3)
      assert.deepEqual(inserted?.event.data, { [name]: 1, other: 'o' })
      assert.deepEqual([inserted?.event.change.schema, inserted?.event.change.table], [name, name])
      assert.deepEqual(updated?.event.change.changed, [name])
      assert.deepEqual(deleted?.event.data, { other: 'o', secret: 's' })
      assert.equal(
        inserted?.event.source,
        `/postgres/${encodeURIComponent(name)}/${encodeURIComponent(name)}`,
      )
    })
  }

  test('names without quotes: as written, else in lower case; search_path for the schema', async () => {
    await harness.sql(`create table "Cased" (id int); create table lower (id int); create schema shop;
      create table shop.orders (id int)`)
    await harness.start(
      bind('cased', postgres.table('Cased').onInsert()),
      bind('lower', postgres.table('LOWER').onInsert()),
      bind('shop', postgres.table('shop.orders').onInsert()),
    )
    assert.deepEqual(harness.adapter.problems(), [])
    await harness.sql(
      `insert into "Cased" values (1); insert into lower values (1); insert into shop.orders values (1)`,
    )
    const events = await harness.events(3)
    assert.deepEqual(
      events.map(({ event }) => event.source),
      ['/postgres/public/Cased', '/postgres/public/lower', '/postgres/shop/orders'],
    )
  })
})

describe('who writes, and where', () => {
  test('a writer without any right on the schema tappet', async () => {
    const role = `writer_${Date.now()}`
    await harness.sql(`${ORDERS}; create role ${role}; grant insert, update on orders to ${role};
      grant select on orders to ${role}`)
    try {
      await harness.start(bind('changed', postgres.table('orders', { exclude: ['doc'] }).onChange()))
      await harness.sql(`set role ${role}`)
      await harness.sql(`set search_path = pg_temp`)
      await harness.sql(`insert into public.orders values (1)`)
      await harness.sql(`update public.orders set total = 4`)
      await assert.rejects(harness.sql(`select * from tappet.outbox`), /permission denied/)
      await assert.rejects(harness.sql(`select tappet.send('a', '{}')`), /permission denied/)
      await harness.sql(`reset role`)
      await harness.events(2)
    } finally {
      await harness.sql(`reset role; reset search_path; drop owned by ${role}; drop role ${role}`)
    }
  })

  test('a database of the user beside the ledger', async () => {
    const other = await testDatabase()
    const theirs = await connectClient(other.url)
    const mine = await startHarness({ urls: { SHOP_URL: other.url } })
    try {
      await theirs.query(ORDERS)
      await mine.start(
        bind('shop', postgres.table('orders', { database: 'SHOP_URL' }).onInsert()),
        bind('unset', postgres.table('orders', { database: 'UNSET_URL' }).onInsert()),
      )
      assert.deepEqual(mine.adapter.problems(), [
        {
          functionId: 'unset',
          label: 'orders insert',
          message:
            'expected the URL of a Postgres database in the environment variable UNSET_URL, got nothing',
        },
      ])
      await theirs.query(`insert into orders values (1)`)
      await eventually(() => mine.emitted.length === 1, 'the event')
      await mine.adapter.update([])
      const { rowCount } = await theirs.query(`select from pg_trigger where tgname like 'tappet%'`)
      assert.equal(rowCount, 0)
    } finally {
      await mine.close()
      await theirs.end()
      await other.drop()
    }
  })

  test('two names for one database do not disturb each other', async () => {
    const twice = await startHarness({ url: harness.url, urls: { SAME_URL: harness.url } })
    try {
      await harness.sql(ORDERS)
      await twice.start(
        bind('a', postgres.table('orders').onInsert()),
        bind('b', postgres.table('orders', { database: 'SAME_URL' }).onInsert()),
      )
      await twice.sql(`insert into orders values (1)`)
      await eventually(() => twice.emitted.length === 2, 'both events')
      assert.deepEqual(twice.emitted.flatMap(({ functions }) => functions).toSorted(), ['a', 'b'])
    } finally {
      await twice.close()
    }
  })

  test('two projects on one database keep their own triggers and rows', async () => {
    const other = await startHarness({ url: harness.url, project: 'other' })
    try {
      await harness.sql(ORDERS)
      await harness.start(bind('mine', postgres.table('orders').onInsert()))
      await other.start(bind('theirs', postgres.table('orders').onInsert()))
      await harness.adapter.update([bind('mine', postgres.table('orders').onInsert())])
      await harness.sql(`insert into orders values (1)`)
      await eventually(() => harness.emitted.length === 1 && other.emitted.length === 1, 'both events')
      assert.deepEqual(other.emitted[0]?.functions, ['theirs'])
      await harness.adapter.update([])
      await harness.sql(`insert into orders values (2)`)
      await eventually(() => other.emitted.length === 2, 'the second event of the other')
      assert.equal(harness.emitted.length, 1)
    } finally {
      await other.close()
    }
  })
})

describe('putting triggers in place', () => {
  test('a table that appears later is reported, then watched; dropped and made anew, watched again', async () => {
    await harness.start(bind('created', postgres.table('orders').onInsert()))
    assert.deepEqual(harness.adapter.problems(), [
      {
        functionId: 'created',
        label: 'orders insert',
        message: 'there is no table orders yet; its events begin when it exists',
      },
    ])
    const installed = (): Promise<boolean> =>
      harness.sql(`select from pg_trigger where tgname like 'tappet%'`).then((rows) => rows.length === 1)
    await harness.sql(ORDERS)
    await eventually(installed, 'the trigger')
    await eventually(() => harness.adapter.problems().length === 0, 'no problems')
    await harness.sql(`insert into orders values (1)`)
    await harness.events(1)
    await harness.sql(`drop table orders`)
    await eventually(() => harness.adapter.problems().length === 1, 'the problem')
    await harness.sql(ORDERS)
    await eventually(installed, 'the trigger again')
    await harness.sql(`insert into orders values (2)`)
    await harness.events(2)
  })

  test('altered and removed declarations leave the catalog as it was', async () => {
    await harness.sql(`${ORDERS}; create table carts (id int primary key);
      create function mine() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger tappet_mine after insert on orders for each row execute function mine()`)
    await harness.outbox(null).start()
    const before = await readCatalog(harness.client)
    await harness.start(
      bind('a', postgres.table('orders').onUpdate({ of: ['status'] })),
      bind('b', postgres.table('carts').onChange()),
    )
    const first = await readCatalog(harness.client)
    await harness.adapter.update([bind('a', postgres.table('orders').onUpdate({ of: ['total'] }))])
    await harness.sql(`insert into orders values (1, 'new', 1); insert into carts values (1)`)
    await harness.sql(`update orders set status = 'x'`)
    await harness.sql(`update orders set total = 2`)
    const [{ event } = assert.fail()] = await harness.events(1)
    assert.deepEqual(event.change.changed, ['total'])
    await harness.adapter.update([
      bind('a', postgres.table('orders').onUpdate({ of: ['status'] })),
      bind('b', postgres.table('carts').onChange()),
    ])
    assert.deepEqual(await readCatalog(harness.client), first)
    await harness.adapter.update([])
    assert.deepEqual(await readCatalog(harness.client), before)
  })

  test('rows of functions that are gone are dropped, and block nothing', async () => {
    await harness.sql(ORDERS)
    await harness.start(bind('a', postgres.table('orders').onInsert()))
    await harness.sql(`insert into tappet.outbox (kind, owner, binding, operation, schema, "table", after, bytes)
      values ('change', 'default', 'gone', 'insert', 'public', 'orders', '{"id":0}', 10)`)
    await harness.sql(`insert into orders values (1)`)
    const [{ event } = assert.fail()] = await harness.events(1)
    assert.equal(event.data.id, 1)
  })

  test('one that does not know the rows that wait gives the lead to one that does', async () => {
    const unknowing = createPostgresOutbox({ url: harness.url, database: null, logger: silentLogger })
    unknowing.take(
      'change',
      async () => assert.fail('not its rows'),
      () => [],
    )
    await unknowing.start()
    try {
      await eventually(() => unknowing.health().leader, 'the lead')
      await harness.sql(ORDERS)
      await harness.start(bind('knowing', postgres.table('orders').onInsert()))
      await harness.sql('insert into orders values (1)')
      await eventually(() => harness.emitted.length === 1, 'the row is delivered', 15_000)
      assert.equal(unknowing.health().leader, false)
    } finally {
      await unknowing.stop()
    }
  })

  test('rows of a trigger that only a newer process knows stay for it', async () => {
    await harness.sql(ORDERS)
    await harness.start(bind('a', postgres.table('orders').onInsert()))
    await harness.sql(`create trigger newer after insert on orders for each row
      execute function tappet.capture('default', 'newer', 'public', 'orders', '{}')`)
    await harness.sql(`insert into orders values (1)`)
    await eventually(() => harness.emitted.length === 1, 'the event of the known trigger')
    const newer = (): Promise<{ rows: unknown[] }> =>
      harness.client.query(`select from tappet.outbox where binding = 'newer'`)
    assert.equal((await newer()).rows.length, 1)
    await harness.sql(`drop trigger newer on orders; insert into orders values (2)`)
    await eventually(() => harness.emitted.length === 2, 'the next event')
    await harness.adapter.update([bind('a', postgres.table('orders').onInsert())])
    await eventually(async () => (await newer()).rows.length === 0, 'what nobody can take is gone')
  })

  test('what cannot be watched is said, and the others are', async () => {
    await harness.sql(
      `${ORDERS}; create view v as select * from orders; create materialized view mv as select * from orders`,
    )
    await harness.outbox(null).start()
    await harness.start(
      bind('ok', postgres.table('orders').onInsert()),
      bind('view', postgres.table('v').onInsert()),
      bind('mview', postgres.table('mv').onInsert()),
      bind('of', postgres.table('orders').onUpdate({ of: ['totl'] as never })),
      bind('exclude', postgres.table('orders', { exclude: ['zzzzzzzz'] }).onInsert()),
      bind('when', postgres.table('orders').onInsert({ when: 'new.nope > 1' })),
      bind('syntax', postgres.table('orders').onInsert({ when: 'new.id = 1); drop table orders; --' })),
      bind('long', postgres.table('y'.repeat(64)).onInsert()),
      bind('parts', postgres.table('a.b.c').onInsert()),
      bind('nul', postgres.table('a\u0000b').onInsert()),
      bind('nul-when', postgres.table('orders').onInsert({ when: 'new.id > 1 \u0000' })),
      bind('own', postgres.table('tappet.outbox').onInsert()),
    )
    const said = Object.fromEntries(
      harness.adapter.problems().map(({ functionId, message }) => [functionId, message]),
    )
    assert.deepEqual(said, {
      view: 'public.v is a view; only rows of a table of this database can be watched',
      mview: 'public.mv is a materialized view; only rows of a table of this database can be watched',
      of: "`of`: public.orders has no column 'totl'. Did you mean 'total'?",
      exclude:
        "`exclude`: public.orders has no column 'zzzzzzzz'. Its columns are id, status, total, note, doc",
      when: 'column new.nope does not exist',
      syntax: said.syntax,
      long: `a name in Postgres has at most 63 bytes, got 64: "${'y'.repeat(64)}"`,
      parts: 'expected a table like orders, shop.orders or "Sales"."Orders", got "a.b.c"',
      nul: 'expected a table like orders, shop.orders or "Sales"."Orders", got "a\\u0000b"',
      'nul-when': '`when` must not contain NUL',
      own: 'tappet.outbox is a table of Tappet itself and cannot be watched',
    })
    assert.match(said.syntax ?? '', /syntax error|cannot insert multiple commands/)
    await harness.sql(`insert into orders values (1)`)
    await harness.events(1)
  })

  test('a column that comes later makes its function work', async () => {
    await harness.sql(ORDERS)
    await harness.start(bind('of', postgres.table('orders').onUpdate({ of: ['paid'] as never })))
    assert.equal(harness.adapter.problems().length, 1)
    await harness.sql(`alter table orders add paid boolean; insert into orders values (1)`)
    await eventually(() => harness.adapter.problems().length === 0, 'no problems')
    await harness.sql(`update orders set paid = true`)
    await harness.events(1)
  })

  test('a held table is waited for without blocking its writers for long', async () => {
    await harness.sql(ORDERS)
    const holder = await connectClient(harness.url)
    await holder.query(`begin; insert into orders values (1)`)
    await harness.start(bind('created', postgres.table('orders').onInsert()))
    assert.match(harness.adapter.problems()[0]?.message ?? '', /a transaction holds the table/)
    let slowest = 0
    for (let n = 10; n < 30; n++) {
      const started = performance.now()
      await harness.sql(`insert into orders values ($1)`, [n])
      slowest = Math.max(slowest, performance.now() - started)
    }
    assert.ok(slowest < 1_500, `a writer waited ${slowest} ms`)
    await holder.query('commit')
    await holder.end()
    await eventually(() => harness.adapter.problems().length === 0, 'the trigger')
    await harness.sql(`insert into orders values (99)`)
    await eventually(() => harness.emitted.some(({ event }) => event.data.id === 99), 'the event')
  })

  test('a disabled trigger is reported, and left alone', async () => {
    await harness.sql(ORDERS)
    await harness.start(bind('created', postgres.table('orders').onInsert()))
    await harness.sql(`alter table orders disable trigger user`)
    await eventually(() => harness.adapter.problems().length === 1, 'the problem')
    assert.match(harness.adapter.problems()[0]?.message ?? '', /is disabled; enable it/)
    await harness.sql(`alter table orders enable trigger user`)
    await eventually(() => harness.adapter.problems().length === 0, 'no problem')
  })

  test('`check` changes nothing and says what is missing', async () => {
    const careful = await startHarness({ install: 'check' })
    try {
      await careful.sql(ORDERS)
      await careful.start(bind('created', postgres.table('orders').onInsert()))
      const [problem] = careful.adapter.problems()
      assert.match(
        problem?.message ?? '',
        /^not installed: \+ public\.orders trigger tappet_\w+_insert \(INSERT\); run `tappet db apply`$/,
      )
      assert.equal((await careful.sql(`select from pg_trigger where tgname like 'tappet%'`)).length, 0)
    } finally {
      await careful.close()
    }
  })

  test('a second start takes no lock on tables that are as declared', async () => {
    await harness.sql(ORDERS)
    const declared = bind('created', postgres.table('orders').onInsert())
    await harness.start(declared)
    const holder = await connectClient(harness.url)
    await holder.query(`begin; lock orders in access exclusive mode`)
    await harness.adapter.update([declared])
    assert.deepEqual(harness.adapter.problems(), [])
    await holder.query('rollback')
    await holder.end()
  })
})

test('a database that is away at the start is reported, and watched when it is back', async () => {
  const away = await startHarness({
    url: harness.url,
    urls: { AWAY_URL: 'postgres://postgres@127.0.0.1:1/none' },
  })
  try {
    await harness.sql(ORDERS)
    await away.start(
      bind('here', postgres.table('orders').onInsert()),
      bind('away', postgres.table('orders', { database: 'AWAY_URL' }).onInsert()),
    )
    const [problem, ...more] = away.adapter.problems()
    assert.equal(more.length, 0)
    assert.equal(problem?.functionId, 'away')
    assert.match(problem?.message ?? '', /cannot be prepared: .*ECONNREFUSED/)
    await harness.sql(`insert into orders values (1)`)
    await eventually(() => away.emitted.length === 1, 'the event of the other database')
  } finally {
    await away.close()
  }
})
