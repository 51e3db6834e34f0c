import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_ATTRIBUTE } from '../../src/events/envelope.ts'
import { normalize } from '../../src/triggers/postgres/normalize.ts'
import { makeChange } from '../conformance/outbox.ts'

test('an update: data is the row as it now is, changed the columns with another value', () => {
  const before = { id: 1, a: 1, same: { x: [1, null] }, doc: { y: 1 }, gone: null }
  const after = { id: 1, a: null, same: { x: [1, null] }, doc: { y: 2 }, gone: null }
  const event = normalize(makeChange({ operation: 'update', before, after }), ['id'])
  assert.equal(event.type, 'postgres.update')
  assert.deepEqual(event.data, after)
  assert.deepEqual(event.change.changed, ['a', 'doc'])
  assert.equal(event.subject, '1')
})

test('a delete: data is the row as it last was', () => {
  const before = { b: 2, a: 'x' }
  const event = normalize(makeChange({ operation: 'delete', before, after: null }), ['a', 'b'])
  assert.deepEqual(event.data, before)
  assert.deepEqual(event.change, {
    schema: 'public',
    table: 'orders',
    changed: ['b', 'a'],
    key: { a: 'x', b: 2 },
    transaction: '1234',
    before,
    after: null,
  })
  assert.equal(event.subject, 'x,2')
})

test('a truncate has neither rows nor key', () => {
  const event = normalize(makeChange({ operation: 'truncate', before: null, after: null }), ['id'])
  assert.equal(event.data, null)
  assert.deepEqual(event.change.changed, [])
  assert.ok(!('key' in event.change))
  assert.ok(!('subject' in event))
})

test('the id is the row’s, the source a URI reference whatever the names', () => {
  const change = makeChange({ schema: 'a/b', table: '50% "x"' })
  const event = normalize(change, [])
  assert.equal(event.id, change.uid)
  assert.equal(event.source, '/postgres/a%2Fb/50%25%20%22x%22')
  assert.equal(event.time, change.time)
})

test('a long key is cut, one that is left out or empty is none, and __proto__ is a column', () => {
  const after = JSON.parse(`{"id":"${'k'.repeat(2_000)}","empty":"","__proto__":7}`) as Record<
    string,
    unknown
  >
  assert.equal(normalize(makeChange({ after }), ['id']).subject?.length, MAX_ATTRIBUTE)
  assert.ok(!('subject' in normalize(makeChange({ after }), ['hidden'])))
  assert.ok(!('subject' in normalize(makeChange({ after }), ['empty'])))
  const { change } = normalize(makeChange({ after }), ['__proto__'])
  assert.ok('key' in change && Object.hasOwn(change.key, '__proto__'))
  assert.ok(change.changed.includes('__proto__'))
})
