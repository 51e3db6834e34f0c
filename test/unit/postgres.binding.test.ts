import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from '../../src/lib/nearest.ts'
import { changeOwner } from '../../src/outbox/owner.ts'
import { appliesTo, bindingsOf, namePrefix } from '../../src/triggers/postgres/binding.ts'
import { postgres } from '../../src/triggers/postgres/declare.ts'
import { parseTableName } from '../../src/triggers/postgres/table-name.ts'
import { bind } from '../support/postgres-trigger.ts'

const orders = postgres.table('orders')

test('one binding per operation; those that are equal are shared', () => {
  const bindings = bindingsOf([bind('a', orders.onInsert()), bind('b', orders.onChange())], 'default')
  assert.deepEqual(
    bindings.map(({ operation, subscriptions }) => [
      operation,
      subscriptions.map(({ functionId }) => functionId),
    ]),
    [
      ['insert', ['a', 'b']],
      ['update', ['b']],
      ['delete', ['b']],
    ],
  )
})

test('whatever makes another trigger makes another name; order and repeats do not', () => {
  const nameOf = (trigger: Parameters<typeof bind>[1], owner = 'default'): string =>
    bindingsOf([bind('f', trigger)], owner)[0]?.name ?? assert.fail()
  const names = [
    nameOf(orders.onUpdate()),
    nameOf(orders.onUpdate({ of: ['a'] })),
    nameOf(orders.onUpdate({ of: ['a', 'b'] })),
    nameOf(orders.onUpdate({ when: 'new.a > 1' })),
    nameOf(postgres.table('orders', { exclude: ['a'] }).onUpdate()),
    nameOf(postgres.table('shop.orders').onUpdate()),
    nameOf(orders.onInsert()),
    nameOf(orders.onTruncate()),
    nameOf(orders.onUpdate(), 'other'),
    nameOf(orders.onUpdate(), changeOwner('default', 'SHOP_URL')),
  ]
  assert.equal(new Set(names).size, names.length)
  for (const name of names) assert.ok(Buffer.byteLength(name) <= 63, name)
  assert.equal(nameOf(orders.onUpdate({ of: ['b', 'a', 'b'] })), names[2])
  assert.ok(names[0]?.startsWith(namePrefix('default')))
  assert.ok(!names[8]?.startsWith(namePrefix('default')))
})

test('a condition applies where the rows are that it names', () => {
  const cases: readonly [string, string][] = [
    ['new.total > 1', 'insert update'],
    ['OLD.total > 1', 'update delete'],
    ['old.a < new.a', 'update'],
    ['1 = 1', 'insert update delete'],
    [`new.note = 'old'`, 'insert update'],
    [`new.note = 'it''s old' -- old\n /* old */`, 'insert update'],
    ['new."old" = $$old$$ and new.older', 'insert update'],
    ['new.b = $x$ old $$ $x$', 'insert update'],
  ]
  for (const [when, expected] of cases) {
    const applies = (['insert', 'update', 'delete', 'truncate'] as const).filter((one) =>
      appliesTo(when, one),
    )
    assert.equal(applies.join(' '), expected, when)
  }
})

function problemOf(declared: string): string {
  const name = parseTableName(declared)
  return typeof name === 'string' ? name : ''
}

test('names of tables', () => {
  assert.deepEqual(parseTableName('orders'), { schemas: null, tables: ['orders'] })
  assert.deepEqual(parseTableName('Shop.Orders'), { schemas: ['Shop', 'shop'], tables: ['Orders', 'orders'] })
  assert.deepEqual(parseTableName('"A.b"."c""d"'), { schemas: ['A.b'], tables: ['c"d'] })
  assert.deepEqual(parseTableName('my table'), { schemas: null, tables: ['my table'] })
  for (const bad of ['', '.', 'a.', '.a', 'a.b.c', '"a', 'a"b', '""', '"a"b', 'a\u0000']) {
    assert.match(problemOf(bad), /^expected a table like/, JSON.stringify(bad))
  }
  assert.equal(typeof parseTableName('ü'.repeat(31)), 'object')
  assert.match(problemOf('ü'.repeat(32)), /at most 63 bytes, got 64/)
})

test('the nearest name, or none', () => {
  assert.equal(nearest('totl', ['id', 'total', 'note']), 'total')
  assert.equal(nearest('Status', ['status']), 'status')
  assert.equal(nearest('zzz', ['id', 'total']), null)
  assert.equal(nearest('x'.repeat(1_000_000), ['id']), null)
})
