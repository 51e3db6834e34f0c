import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createBroker } from '../../src/broker.ts'
import { silentLogger } from '../../src/lib/log.ts'
import type { Admission, FunctionRuntime } from '../../src/runtime/runtime.ts'
import { createMemoryStore } from '../../src/store/memory/store.ts'
import type { Acceptance, NewEvent, Store } from '../../src/store/store.ts'
import type { Declared, Subscription } from '../../src/triggers/trigger.ts'
import { makeEnvelope, makeFunction } from '../support/make.ts'

const trigger: Declared = { kind: 'postgres', label: 'orders insert', schemas: [] }
const subscription: Subscription = { functionId: 'orders/place', index: 0, trigger }

function makeBroker(store: Store, admit: FunctionRuntime['admit'], hasIdempotencyKey = true) {
  const fn = makeFunction({ hasIdempotencyKey })
  const runtime = { admit } as FunctionRuntime
  const dispatcher = {
    offerTo() {},
    reserve: () => null,
    enqueue() {},
    expect() {},
    start() {},
    stop: async () => undefined,
  }
  return createBroker({
    store,
    runtime,
    dispatcher,
    logger: silentLogger,
    findFunction: (id) => (id === fn.id ? fn : undefined),
  })
}

describe('emit', () => {
  it('stores changes of one row in their order, however long each check takes', async () => {
    const property = fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      const order: string[] = []
      const memory = createMemoryStore()
      const accept = async (event: NewEvent): Promise<Acceptance> => {
        order.push(event.envelope.id)
        return memory.accept(event)
      }
      const store = { ...memory, accept }
      const admit = scheduler.scheduleFunction(async (): Promise<Admission> => ({
        ok: true,
        key: null,
        orderingKey: null,
      }))
      const broker = makeBroker(store, admit)
      const ids = ['1', '2', '3', '4', '5']
      const all = Promise.all(
        ids.map((id) =>
          broker.emit(makeEnvelope({ id, source: '/postgres/orders', subject: '7' }), [subscription], {
            invalid: 'keep',
          }),
        ),
      )
      await scheduler.waitFor(all)
      assert.deepEqual(order, ids)
    })
    await fc.assert(property, { seed: 5, numRuns: 100 })
  })

  it('refuses what does not fit, and keeps it when it cannot be refused', async () => {
    const store = createMemoryStore()
    const issues = [{ path: '/data/total', message: 'too small' }]
    const broker = makeBroker(store, async () => ({ ok: false, issues }))
    const emitted = broker.emit(makeEnvelope(), [
      { ...subscription, trigger: { ...trigger, schemas: ['data'] } },
    ])
    await assert.rejects(emitted, { code: 'TPT_EVENT_INVALID', issues })
    assert.equal((await store.runs({})).length, 0)
    const kept = await broker.emit(makeEnvelope(), [subscription], { invalid: 'keep' })
    assert.equal(kept.runIds.length, 1)
  })

  it('keeps an event whose check has no answer, when it cannot be refused', async () => {
    const broker = makeBroker(createMemoryStore(), () => Promise.reject(new Error('the process died')))
    await assert.rejects(broker.emit(makeEnvelope(), [subscription]), /the process died/)
    assert.equal((await broker.emit(makeEnvelope(), [subscription], { invalid: 'keep' })).runIds.length, 1)
  })

  it('refuses attributes that nobody could store, at the limit and one beyond', async () => {
    const broker = makeBroker(
      createMemoryStore(),
      async () => ({ ok: true, key: null, orderingKey: null }),
      false,
    )
    await broker.emit(makeEnvelope({ id: 'x'.repeat(1_024) }), [])
    for (const wrong of [{ id: 'x'.repeat(1_025) }, { id: '' }, { source: 'a\u0000b' }, { subject: '' }]) {
      await assert.rejects(broker.emit(makeEnvelope(wrong), []), { code: 'TPT_EVENT_INVALID' })
    }
  })

  it('names a function that is gone, and takes nothing while stopping', async () => {
    const broker = makeBroker(createMemoryStore(), async () => ({ ok: true, key: null, orderingKey: null }))
    const gone = { ...subscription, functionId: 'gone' }
    await assert.rejects(broker.emit(makeEnvelope(), [gone]), { code: 'TPT_FUNCTION_NOT_FOUND' })
    await broker.stop()
    await assert.rejects(broker.emit(makeEnvelope(), []), { code: 'TPT_SHUTDOWN' })
  })
})
