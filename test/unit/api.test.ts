import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { groupDead } from '../../src/api/dead-letters.ts'
import { toPublicError } from '../../src/api/error-body.ts'
import { invocationEvent } from '../../src/api/invoke-event.ts'
import { createMetrics } from '../../src/api/metrics.ts'
import { FatalError, RetryAfterError, TappetError, toFailure } from '../../src/errors.ts'
import { cron, http, postgres, queue, upload } from '../../src/index.ts'
import { createMemoryQueue } from '../../src/queue/memory.ts'
import { createMemoryStore } from '../../src/store/memory/store.ts'
import type { Run, Store } from '../../src/store/store.ts'
import type { Trigger } from '../../src/triggers/trigger.ts'
import { makeEvent } from '../support/make.ts'

const now = new Date('2026-11-23T12:00:00Z')

interface Made {
  readonly specversion: string
  readonly id: string
  readonly source: string
  readonly time: string
  readonly type: string
  readonly data: unknown
  readonly message: unknown
  readonly request: { readonly encoding: string }
  readonly change: Readonly<Record<string, unknown>>
}

describe('an event made for a function', () => {
  const made = (trigger: Trigger, data?: unknown) =>
    invocationEvent('a b/c', { ...trigger, schemas: [] }, data, now) as unknown as Made

  it('is a whole envelope with a source of its own', () => {
    const { specversion, id, source, time } = made(queue('q'), 1)
    assert.match(id, /^msg_/)
    assert.deepEqual([specversion, source, time], ['1.0', '/invoke/a%20b/c', now.toISOString()])
  })

  it('has the shape of its kind', () => {
    assert.deepEqual(made(queue('q'), 1).message, { queue: 'q', headers: {} })
    assert.equal(made(queue('q')).data, null)
    const request = { method: 'POST', path: '/x', params: {}, query: {}, headers: {}, encoding: 'json' }
    assert.deepEqual(made(http.post('/x'), {}).request, request)
    assert.equal(made(http.post('/x')).request.encoding, 'none')
    assert.deepEqual(made(cron('* * * * *')).data, { scheduledAt: now.toISOString(), previousAt: null })
    assert.equal(made(upload('**'), { key: 'k' }).type, 'upload.created')
    assert.deepEqual(made({ kind: 'later', label: '', schemas: {} }, 5).type, 'later.invoked')
  })

  it('has before and after as the operation has them', () => {
    const table = postgres.table('shop.orders')
    const row = { id: 1 }
    const shape = (trigger: Trigger) => {
      const { type, change } = made(trigger, row)
      return [type, change.before, change.after, change.schema, change.table]
    }
    assert.deepEqual(shape(table.onInsert()), ['postgres.insert', null, row, 'shop', 'orders'])
    assert.deepEqual(shape(table.onUpdate()), ['postgres.update', row, row, 'shop', 'orders'])
    assert.deepEqual(shape(table.onDelete()), ['postgres.delete', row, null, 'shop', 'orders'])
    assert.equal(made(table.onTruncate()).data, null)
    assert.throws(() => made(table.onInsert()), { code: 'TPT_EVENT_INVALID' })
  })
})

describe('a failure for people without a key', () => {
  const seen = (thrown: unknown) => {
    const { code, message } = toPublicError(thrown === null ? null : toFailure(thrown), 'run_1')
    return [code, message]
  }
  const hidden = 'The function failed: see run_1.'

  it('says what was thrown to be read, and what we say', () => {
    assert.deepEqual(seen(new FatalError('sold out')), ['TPT_FUNCTION_FAILED', 'sold out'])
    assert.deepEqual(seen(new RetryAfterError('busy', '1s')), ['TPT_FUNCTION_FAILED', 'busy'])
    assert.deepEqual(seen(new TappetError('TPT_TIMEOUT', 'too slow')), ['TPT_TIMEOUT', 'too slow'])
  })

  it('says nothing else of what the function or its process said', () => {
    const driver = Object.assign(new Error('role "admin" of db.internal'), { code: '28P01' })
    for (const thrown of [
      driver,
      new Error('/srv/secret'),
      'text',
      Object.assign(new Error('x'), { code: 'constructor' }),
    ])
      assert.deepEqual(seen(thrown), ['TPT_FUNCTION_FAILED', hidden])
    for (const code of ['TPT_FUNCTION_CRASHED', 'TPT_FUNCTION_LOAD', 'TPT_INSTANCE_LOST'] as const)
      assert.deepEqual(seen(new TappetError(code, 'its last words: hunter2')), [code, hidden])
    assert.deepEqual(seen(null), ['TPT_FUNCTION_FAILED', hidden])
  })
})

describe('groups of dead letters', () => {
  const dead = (id: string, functionId: string, message: string, finishedAt = now): Run =>
    ({ id, functionId, failure: toFailure(new Error(message)), finishedAt }) as Run

  it('leave out what differs from run to run', () => {
    const later = new Date(now.getTime() + 1_000)
    const groups = groupDead([
      dead('run_4', 'a', 'user 42 has no "x"', later),
      dead('run_3', 'a', 'user 7 has no "y"'),
      dead('run_2', 'b', 'user 7 has no "y"'),
      dead('run_1', 'a', 'other'),
    ])
    assert.deepEqual(groups[0], {
      ...{
        functionId: 'a',
        error: 'Error: user # has no …',
        count: 2,
        firstAt: now,
        lastAt: later,
        sample: 'run_4',
      },
    })
    assert.deepEqual(
      groups.map(({ count }) => count),
      [2, 1, 1],
    )
    assert.deepEqual(groupDead([]), [])
  })
})

describe('metrics', () => {
  const render = (metrics: ReturnType<typeof createMetrics>, store: Store) =>
    metrics.render({ store, queue: createMemoryQueue(), functions: [] })

  it('tell new events from duplicates and failures, and what attempts came to', async () => {
    const metrics = createMetrics()
    const ledger = createMemoryStore()
    const store = metrics.watch(ledger)
    const event = makeEvent()
    const { jobs } = await store.accept(event)
    await store.accept({ ...event, id: 'evt_2' })
    const [job] = jobs
    assert.ok(job)
    await store.heartbeat({ id: 'wrk_1', host: 'h', pid: 1 }, [])
    const claim = await ledger.claim(job, 'wrk_1')
    assert.ok(claim)
    const { runId, functionId, lease, attempt, order } = claim
    const finish = { runId, functionId, lease, attempt, order, version: 'v', durationMs: 1_500 }
    const retry = { kind: 'retry', failure: toFailure(new Error('no')), delayMs: 60_000 } as const
    assert.equal(await store.finish({ ...finish, outcome: retry }), true)
    assert.equal(await store.finish({ ...finish, outcome: retry }), false)
    const text = await render(metrics, store)
    for (const line of [
      'tappet_events_total{source="queue",type="queue.message",result="accepted"} 1',
      'tappet_events_total{source="queue",type="queue.message",result="duplicate"} 1',
      'tappet_retries_total{function="orders/place"} 1',
      'tappet_run_duration_seconds_sum{function="orders/place"} 1.5',
      'tappet_runs{function="orders/place",state="retrying"} 1',
      'tappet_ledger_up 1',
    ])
      assert.ok(text.split('\n').includes(line), `expected ${line} in\n${text}`)
  })

  it('are the same for all who ask at once', async () => {
    const metrics = createMetrics()
    let asked = 0
    const stats = async () => {
      asked++
      return [{ functionId: 'a', state: 'dead', count: 2 } as const]
    }
    const store = { ...createMemoryStore(), stats }
    const texts = await Promise.all(Array.from({ length: 10 }, () => render(metrics, store)))
    for (const text of texts) assert.match(text, /^tappet_dead_letters\{function="a"\} 2$/m)
    assert.equal(asked, 1)
    await render(metrics, store)
    assert.equal(asked, 2)
  })

  it('answer when the ledger does not', async () => {
    const metrics = createMetrics()
    const refuse = () => Promise.reject(new Error('down'))
    const store = metrics.watch({ ...createMemoryStore(), stats: refuse, accept: refuse })
    await assert.rejects(store.accept(makeEvent()), /down/)
    const text = await render(metrics, store)
    assert.match(text, /^tappet_ledger_up 0$/m)
    assert.match(text, /^tappet_events_total\{.*result="failed"\} 1$/m)
  })
})
