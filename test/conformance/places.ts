import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Acceptance, Claim, NewEvent, NewRun, Run, Store } from '../../src/store/store.ts'
import { makeEnvelope, makeEvent, makeRun } from '../support/make.ts'

const worker = { id: 'wrk_a', host: 'here', pid: 1 }

/** What a Store does about runs that a worker keeps a place for. */
export function startsInPlace(current: () => Store): void {
  describe('places', () => {
    const accept = (more: Partial<NewEvent> = {}, run: Partial<NewRun> = {}): Promise<Acceptance> =>
      current().accept(makeEvent({ runs: [makeRun({ worker: worker.id, ...run })], ...more }))
    const runOf = async ({ runIds }: Acceptance): Promise<Run> =>
      (await current().run(runIds[0] ?? '')) ?? assert.fail('no run')
    const finish = (claim: Claim, result: unknown): Promise<boolean> => {
      const { runId, functionId, lease, attempt, order } = claim
      const outcome = { kind: 'completed', result } as const
      const finished = { runId, functionId, lease, attempt, order, outcome, version: 'v1', durationMs: 1 }
      return current().finish(finished)
    }
    const firstOf = ({ claims }: Acceptance): Claim => claims[0] ?? assert.fail('not started')

    it('starts a run there with the commit that makes it, as a claim would', async () => {
      const envelope = { ...makeEnvelope({ data: { n: 1 } }), request: { method: 'GET' } }
      const inPlace = await accept({ envelope })
      assert.deepEqual(inPlace.jobs, [])
      const [job] = (await accept({}, { worker: undefined })).jobs
      const claim = (job && (await current().claim(job, worker.id))) ?? assert.fail('not claimed')
      const { runId, functionId } = firstOf(inPlace)
      assert.deepEqual(firstOf(inPlace), { ...claim, runId, functionId, event: envelope })
      const run = await runOf(inPlace)
      assert.deepEqual(
        [run.state, run.worker, run.attempt, run.lease, run.startedAt?.getTime()],
        ['running', worker.id, 1, 1, run.createdAt.getTime()],
      )
      assert.equal(await finish(firstOf(inPlace), { done: true }), true)
      assert.deepEqual((await runOf(inPlace)).result, { done: true })
      const [attempt] = await current().attempts(run.id)
      assert.deepEqual([attempt?.number, attempt?.outcome, attempt?.worker], [1, 'completed', worker.id])
    })

    it('leaves it to a claim when it is delayed, paused, or has an ordering key', async () => {
      await current().pause('paused', 'ann')
      const left = [
        await accept({ delayMs: 60_000 }),
        await accept({}, { functionId: 'paused' }),
        await accept({}, { orderingKey: 'k' }),
      ]
      for (const acceptance of left) {
        const { state, worker: holder, attempt, lease, startedAt } = await runOf(acceptance)
        assert.deepEqual([state, holder, attempt, lease, startedAt], ['accepted', null, 0, 0, null])
        assert.deepEqual(acceptance.claims, [])
      }
      assert.deepEqual(
        left.map(({ jobs }) => jobs.length),
        [0, 1, 1],
      )
    })

    it('G3: starts nothing for a duplicate, nor for a key that is taken', async () => {
      const envelope = makeEnvelope()
      const first = await accept({ envelope }, { idempotencyKey: 'k' })
      const again = await accept({ envelope })
      const same = await accept({}, { idempotencyKey: 'k' })
      for (const { runIds, duplicate, jobs, claims } of [again, same])
        assert.deepEqual([runIds, duplicate, jobs, claims], [first.runIds, true, [], []])
    })

    it('starts those of one event that have a place, also of an event with aliases', async () => {
      for (const aliases of [[], [`sha256:${makeRun().id}`]]) {
        const runs = [makeRun({ worker: worker.id }), makeRun({ functionId: 'b' })]
        const { claims, jobs } = await current().accept(makeEvent({ aliases, runs }))
        assert.deepEqual(
          [claims.map(({ runId }) => runId), jobs.map(({ runId }) => runId)],
          [[runs[0]?.id], [runs[1]?.id]],
        )
      }
    })

    it('G4: gives it to others when that worker is gone, and does not let it finish', async () => {
      await current().heartbeat(worker, [])
      const acceptance = await accept()
      assert.deepEqual(await current().reclaim(60_000, 10), [], 'its heart has just beaten')
      await current().forget([worker.id])
      const [job] = await current().reclaim(60_000, 10)
      assert.deepEqual(job, { runId: acceptance.runIds[0], functionId: 'orders/place', lease: 1 })
      assert.equal(await finish(firstOf(acceptance), null), false)
    })
  })
}
