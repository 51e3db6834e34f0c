import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLowWater } from '../../src/outbox/low-water.ts'

test('rises only when all that was open has ended, and a look after that found nothing', () => {
  const low = createLowWater()
  low.drained(100)
  low.seen({ xmin: 5n, xmax: 9n })
  low.emptied()
  assert.equal(low.id, 0)
  low.seen({ xmin: 8n, xmax: 20n })
  low.emptied()
  assert.equal(low.id, 0)
  low.drained(150)
  low.seen({ xmin: 9n, xmax: 30n })
  assert.equal(low.id, 0)
  low.emptied()
  assert.equal(low.id, 101)
})

test('starts the next rise from what was drained since, and falls back to everything', () => {
  const low = createLowWater()
  const raise = (xid: bigint): void => {
    low.seen({ xmin: xid, xmax: xid })
    low.seen({ xmin: xid, xmax: xid })
    low.emptied()
  }
  low.drained(10)
  raise(1n)
  assert.equal(low.id, 11)
  raise(2n)
  assert.equal(low.id, 11)
  low.drained(20)
  raise(3n)
  assert.equal(low.id, 21)
  low.reset()
  assert.equal(low.id, 0)
  raise(4n)
  assert.equal(low.id, 0)
})
