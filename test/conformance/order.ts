import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TappetError, toFailure } from '../../src/errors.ts'
import type { Job } from '../../src/queue/queue.ts'
import type { Acceptance, Claim, NewRun, Outcome, Store } from '../../src/store/store.ts'
import { makeEvent, makeRun } from '../support/make.ts'

const failure = toFailure(new Error('boom'))
const COMPLETED: Outcome = { kind: 'completed', result: null }

/** What a Store does about ordering keys. */
export function keepsOrder(current: () => Store): void {
  describe('order', () => {
    const accept = (key: string | null, more: Partial<NewRun> = {}, delayMs = 0): Promise<Acceptance> =>
      current().accept(makeEvent({ runs: [makeRun({ orderingKey: key, ...more })], delayMs }))
    const claim = async (job: Job): Promise<Claim> =>
      (await current().claim(job, 'wrk_a')) ?? assert.fail('not claimed')
    const finish = (
      { runId, functionId, lease, attempt, order }: Claim,
      outcome: Outcome,
    ): Promise<boolean> =>
      current().finish({
        runId,
        functionId,
        lease,
        attempt,
        order,
        outcome,
        version: 'v1',
        durationMs: 1,
      })
    const firstOf = ({ jobs }: Acceptance): Job => jobs[0] ?? assert.fail('nothing may start')
    const jobOf = ({ runIds }: Acceptance): Job => ({
      runId: runIds[0] ?? '',
      functionId: 'orders/place',
      lease: 0,
    })
    const held = async ({ runIds }: Acceptance): Promise<boolean | undefined> =>
      (await current().run(runIds[0] ?? ''))?.held
    /** What was released while `act` ran. */
    const releasedBy = async (act: () => Promise<unknown>): Promise<string[]> => {
      const released: string[] = []
      const off = current().onReleased((jobs) => released.push(...jobs.map(({ runId }) => runId)))
      await act()
      off()
      return released
    }

    it('G5: holds a run back behind an earlier one with its key, and no other', async () => {
      const first = await accept('k')
      const second = await accept('k')
      const others = [await accept('other'), await accept('k', { functionId: 'b' }), await accept(null)]
      assert.deepEqual(second.jobs, [])
      assert.deepEqual([await held(first), await held(second)], [false, true])
      for (const other of others) assert.equal(other.jobs.length, 1)
      assert.equal(await current().claim(jobOf(second), 'wrk_a'), null)
      const due = await current().due(100)
      const queued = await current().queued('', -60_000, 100)
      assert.ok(![...due, ...queued].some(({ runId }) => runId === second.runIds[0]))
    })

    it('G5: lets the next one go when the first is over: completed, dead or cancelled', async () => {
      const all = [await accept('k'), await accept('k'), await accept('k'), await accept('k')]
      const ids = all.map(({ runIds }) => runIds[0] ?? '')
      const ends = [
        async (at: Claim) => finish(at, COMPLETED),
        async (at: Claim) => finish(at, { kind: 'dead', failure }),
        async (at: Claim) => current().cancel(at.runId),
      ]
      for (const [i, end] of ends.entries()) {
        const running = await claim(jobOf(all[i] ?? assert.fail()))
        assert.deepEqual(await releasedBy(() => end(running)), [ids[i + 1]])
      }
      await claim(jobOf(all[3] ?? assert.fail()))
    })

    it('G5: holds its key up, and no other, while it is tried again', async () => {
      const first = await accept('k')
      const second = await accept('k')
      const running = await claim(firstOf(first))
      assert.deepEqual(await releasedBy(() => finish(running, { kind: 'retry', failure, delayMs: 0 })), [])
      assert.equal(await held(second), true)
      const again = await claim({ ...firstOf(first), lease: 1 })
      const shutdown = toFailure(new TappetError('TPT_SHUTDOWN', 'stop'))
      await finish(again, { kind: 'released', failure: shutdown })
      assert.equal(await held(second), true)
      await finish(await claim({ ...firstOf(first), lease: 2 }), COMPLETED)
      assert.equal(await held(second), false)
    })

    it('skips a held run that is cancelled', async () => {
      const first = await accept('k')
      const second = await accept('k')
      const third = await accept('k')
      assert.deepEqual(await releasedBy(() => current().cancel(second.runIds[0] ?? '')), [])
      const running = await claim(firstOf(first))
      assert.deepEqual(await releasedBy(() => finish(running, COMPLETED)), third.runIds)
    })

    it('G5: replays behind the others of its key', async () => {
      const first = await accept('k')
      const second = await accept('k')
      const third = await accept('k')
      await finish(await claim(firstOf(first)), { kind: 'dead', failure })
      assert.deepEqual(await current().replay(first.runIds[0] ?? ''), [])
      assert.equal(await held(first), true)
      assert.ok(!(await current().queued('', -60_000, 100)).some(({ runId }) => runId === first.runIds[0]))
      const end = async (of: Acceptance): Promise<string[]> => {
        const running = await claim(jobOf(of))
        return releasedBy(() => finish(running, COMPLETED))
      }
      assert.deepEqual(await end(second), third.runIds)
      assert.deepEqual(await end(third), first.runIds)
      const [job] = await current().queued('', -60_000, 100)
      assert.equal(job?.runId, first.runIds[0])
      await finish(await claim(job ?? assert.fail()), { kind: 'dead', failure })
      assert.equal((await current().replay(first.runIds[0] ?? ''))?.length, 1)
    })

    it('lets the next one go when the first has lost too many workers', async () => {
      const first = await accept('k')
      const second = await accept('k')
      await claim(firstOf(first))
      assert.deepEqual(await releasedBy(() => current().reclaim(-60_000, 1)), second.runIds)
    })

    it('waits for a delayed run, whose turn it is', async () => {
      const first = await accept('k')
      const second = await accept('k', {}, 3_600_000)
      const third = await accept('k')
      const running = await claim(firstOf(first))
      assert.deepEqual(await releasedBy(() => finish(running, COMPLETED)), [])
      assert.deepEqual([await held(second), await held(third)], [false, true])
      assert.ok(((await current().nextDueMs()) ?? 0) > 3_500_000)
    })

    it('is not upset by runs that are not made because their idempotency key is taken', async () => {
      await accept(null, { idempotencyKey: 'taken' })
      const runs = ['taken', 'new', 'newer'].map((idempotencyKey) =>
        makeRun({ orderingKey: 'k', idempotencyKey }),
      )
      const { jobs, runIds } = await current().accept(makeEvent({ runs }))
      assert.deepEqual(
        jobs.map(({ runId }) => runId),
        [runs[1]?.id],
      )
      assert.equal((await current().run(runIds[2] ?? ''))?.held, true)
      const again = await current().accept(makeEvent({ runs: [makeRun({ ...runs[1], id: 'run_other' })] }))
      assert.deepEqual([again.runIds, again.jobs], [[runs[1]?.id], []])
    })

    it('holds also for events with aliases', async () => {
      const run = () => makeRun({ orderingKey: 'k' })
      const first = await current().accept(makeEvent({ runs: [run()], aliases: ['sha256:1'] }))
      const second = await current().accept(makeEvent({ runs: [run()], aliases: ['sha256:2'] }))
      assert.deepEqual([first.jobs.length, second.jobs.length], [1, 0])
    })

    it('G5: keeps many concurrent deliveries in the order in which they were made', async () => {
      const all = await Promise.all(Array.from({ length: 300 }, (_, i) => accept(`k${i % 3}`)))
      for (const key of [0, 1, 2]) {
        const wanted = all.filter((_, i) => i % 3 === key).map(({ runIds }) => runIds[0] ?? '')
        const got: string[] = []
        for (let id = wanted[0]; id !== undefined;) {
          got.push(id)
          const running = await claim({ runId: id, functionId: 'orders/place', lease: 0 })
          ;[id] = await releasedBy(() => finish(running, COMPLETED))
        }
        assert.deepEqual(got, wanted)
      }
    })
  })
}
