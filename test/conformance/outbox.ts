import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { Outbox, OutboxChange, OutboxMessage, OutboxRow } from '../../src/outbox/outbox.ts'
import { eventually } from '../support/eventually.ts'

export interface OutboxHarness {
  readonly outbox: Outbox
  /** As one committed transaction. */
  write(rows: readonly OutboxRow[]): Promise<void>
  close(): Promise<void>
}

/** What every outbox does, whatever it is kept in. */
export function testOutbox(name: string, makeHarness: () => Promise<OutboxHarness>): void {
  describe(name, () => {
    let harness: OutboxHarness
    let changes: OutboxChange[]
    let messages: OutboxMessage[]

    const takeChanges = (): void =>
      harness.outbox.take('change', async (rows) => {
        changes.push(...rows)
      })
    const takeMessages = (): void =>
      harness.outbox.take('message', async (rows) => {
        messages.push(...rows)
      })
    const empty = async (): Promise<boolean> => (await harness.outbox.depth()).rows === 0

    beforeEach(async () => {
      harness = await makeHarness()
      changes = []
      messages = []
    })
    afterEach(async () => {
      await harness.outbox.stop()
      await harness.close()
    })

    test('hands rows on once, whole and in the order in which they were written', async () => {
      const written = Array.from({ length: 1_200 }, (_, n) =>
        makeChange({ after: { id: n, text: 'ä\n"\\' } }),
      )
      takeChanges()
      await harness.outbox.start()
      await harness.write(written)
      await eventually(() => changes.length >= written.length, 'all changes')
      await eventually(empty, 'an empty outbox')
      assert.deepEqual(changes, written)
    })

    test('hands on at most 500 rows at once', async () => {
      const sizes: number[] = []
      harness.outbox.take('change', async (rows) => void sizes.push(rows.length))
      await harness.write(Array.from({ length: 1_001 }, () => makeChange()))
      await harness.outbox.start()
      await eventually(() => sizes.reduce((sum, size) => sum + size, 0) === 1_001, 'all changes')
      assert.equal(Math.max(...sizes), 500)
    })

    test('hands on what was written before it started', async () => {
      await harness.write([makeChange({ after: { id: 1 } }), makeMessage({ queue: 'a' })])
      takeChanges()
      takeMessages()
      await harness.outbox.start()
      await eventually(() => changes.length === 1 && messages.length === 1, 'both rows')
      assert.equal(messages[0]?.queue, 'a')
    })

    test('keeps rows of a kind that nobody takes, until somebody does', async () => {
      const kept = [makeMessage({ data: 1 }), makeMessage({ data: 2 })]
      takeChanges()
      await harness.outbox.start()
      await harness.write([...kept, makeChange({ after: { id: 1 } })])
      await eventually(() => changes.length === 1, 'the change')
      const { rows, oldestMs } = await harness.outbox.depth()
      assert.equal(rows, 2)
      assert.ok(oldestMs >= 0 && oldestMs < 60_000, `oldest ${oldestMs} ms`)
      takeMessages()
      await eventually(() => messages.length === 2, 'the messages')
      assert.deepEqual(messages, kept)
      await eventually(empty, 'an empty outbox')
    })

    test('carries a message with its key, its delay and any JSON', async () => {
      const data = [null, true, -0.5, '\ud83d\ude00', { 'a"b': [[]], ['__proto__']: 1 }]
      takeMessages()
      await harness.outbox.start()
      await harness.write([makeMessage({ queue: 'emails', data, key: 'k-1', delayMs: 60_000 })])
      await eventually(() => messages.length === 1, 'the message')
      const { delayMs, ...rest } = messages[0] ?? assert.fail()
      assert.deepEqual(rest.data, data)
      assert.deepEqual([rest.queue, rest.key], ['emails', 'k-1'])
      assert.ok(delayMs > 50_000 && delayMs <= 60_000, `delay ${delayMs} ms`)
      assert.ok(Math.abs(Date.parse(rest.time) - Date.now()) < 60_000, rest.time)
    })

    test('brings the same rows again, in order, for as long as deliver rejects', async () => {
      const seen: string[][] = []
      const written = [makeChange(), makeChange(), makeChange()]
      let refuse = true
      harness.outbox.take('change', async (rows) => {
        seen.push(rows.map(({ uid }) => uid))
        if (refuse) throw new Error('not now')
      })
      await harness.outbox.start()
      await harness.write(written)
      await eventually(() => seen.length >= 3, 'three tries')
      assert.equal((await harness.outbox.depth()).rows, 3)
      refuse = false
      await eventually(empty, 'an empty outbox')
      const uids = written.map(({ uid }) => uid)
      for (const batch of seen) assert.deepEqual(batch, uids)
    })

    test('never delivers twice at once', async () => {
      let underWay = 0
      let most = 0
      let delivered = 0
      harness.outbox.take('change', async (rows) => {
        most = Math.max(most, ++underWay)
        await new Promise((resolve) => setImmediate(resolve))
        underWay--
        delivered += rows.length
      })
      await harness.outbox.start()
      for (let n = 0; n < 50; n++) await harness.write([makeChange()])
      await eventually(() => delivered === 50, 'all changes')
      assert.equal(most, 1)
    })

    test('stop waits for the delivery under way, and starts no other', async () => {
      let release = (): void => undefined
      let deliveries = 0
      let finished = false
      harness.outbox.take('change', async () => {
        deliveries++
        await new Promise<void>((resolve) => {
          release = resolve
        })
        finished = true
      })
      await harness.outbox.start()
      await harness.write([makeChange()])
      await eventually(() => deliveries === 1, 'the delivery to begin')
      const stopped = harness.outbox.stop()
      await harness.write([makeChange()])
      assert.equal(finished, false)
      release()
      await stopped
      assert.equal(finished, true)
      assert.equal(deliveries, 1)
      await harness.outbox.stop()
    })

    test('start is idempotent, and says that it leads', async () => {
      takeChanges()
      await Promise.all([harness.outbox.start(), harness.outbox.start()])
      await harness.outbox.start()
      await eventually(() => harness.outbox.health().leader, 'the lead')
      await harness.write([makeChange()])
      await eventually(() => changes.length === 1, 'the change')
      await eventually(empty, 'an empty outbox')
      assert.equal(changes.length, 1)
      assert.equal(harness.outbox.health().reconnects, 0)
    })
  })
}

export function makeChange(more: Partial<OutboxChange> = {}): OutboxChange {
  return {
    kind: 'change',
    uid: randomUUID(),
    binding: 'b1',
    operation: 'insert',
    schema: 'public',
    table: 'orders',
    before: null,
    after: { id: 1 },
    transaction: '1234',
    time: '2026-11-23T10:00:00.123456Z',
    ...more,
  }
}

export function makeMessage(more: Partial<OutboxMessage> = {}): OutboxMessage {
  return {
    kind: 'message',
    uid: randomUUID(),
    queue: 'emails',
    data: {},
    key: null,
    delayMs: 0,
    time: new Date().toISOString().replace('Z', '001Z'),
    ...more,
  }
}
