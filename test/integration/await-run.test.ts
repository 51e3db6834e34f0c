import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createMemoryStore } from '../../src/store/memory/store.ts'
import type { Store } from '../../src/store/store.ts'
import { createAwaitRun } from '../../src/worker/await-run.ts'
import { makeEvent, makeRun } from '../support/make.ts'

const FOREVER_MS = 30_000

/** A ledger with a run under way, and how often it was asked about it. */
async function openLedger(): Promise<{
  store: Store
  runId: string
  looks: () => number
  end(): Promise<boolean>
}> {
  const ledger = createMemoryStore()
  let looks = 0
  const run: Store['run'] = (runId) => {
    looks++
    return ledger.run(runId)
  }
  const { id: runId } = makeRun()
  const { jobs } = await ledger.accept(makeEvent({ runs: [makeRun({ id: runId })] }))
  const [job] = jobs
  assert.ok(job)
  await ledger.heartbeat({ id: 'wrk_1', host: 'h', pid: 1 }, [])
  const claim = await ledger.claim(job, 'wrk_1')
  assert.ok(claim)
  const { functionId, lease, attempt, order } = claim
  const outcome = { kind: 'completed', result: 7 } as const
  const end = () =>
    ledger.finish({ runId, functionId, lease, attempt, order, outcome, version: 'v', durationMs: 1 })
  return { store: { ...ledger, run }, runId, looks: () => looks, end }
}

const COMPLETED = { state: 'completed', result: 7, failure: null }

describe('waiting for a run', () => {
  it('that is new asks the ledger nothing when it is told how it ended', async () => {
    const { store, runId, looks, end } = await openLedger()
    const waiting = createAwaitRun(store)(runId, FOREVER_MS)
    assert.equal(looks(), 0)
    await end()
    assert.deepEqual(await waiting, COMPLETED)
    assert.equal(looks(), 0)
  })

  it('that may be over asks at once', async () => {
    const { store, runId, looks, end } = await openLedger()
    await end()
    const waiting = createAwaitRun(store)(runId, FOREVER_MS, { duplicate: true })
    assert.equal(looks(), 1)
    assert.deepEqual(await waiting, COMPLETED)
  })

  it('sees an end of which it was not told', async () => {
    const { store, runId, end } = await openLedger()
    const awaitRun = createAwaitRun({ ...store, onFinished: () => () => undefined })
    const waiting = awaitRun(runId, FOREVER_MS)
    await end()
    assert.deepEqual(await waiting, COMPLETED)
  })

  it('is over at the deadline', async () => {
    const { store, runId } = await openLedger()
    assert.equal(await createAwaitRun(store)(runId, 5), null)
  })
})
