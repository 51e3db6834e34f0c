import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { type Failure, toFailure } from '../../src/errors.ts'
import { newId } from '../../src/lib/id.ts'
import type { Job } from '../../src/queue/queue.ts'
import type { Claim, Outcome, Store } from '../../src/store/store.ts'
import type { Metered } from '../../src/store/store.ts'
import { eventually } from '../support/eventually.ts'
import { makeEnvelope, makeEvent, makeRun } from '../support/make.ts'
import { keepsOrder } from './order.ts'
import { startsInPlace } from './places.ts'

const failure: Failure = toFailure(new Error('boom'))
const worker = { id: 'wrk_a', host: 'here', pid: 1 }

/** What every Store must do. Each adapter's test file calls this once; `make` gives an empty one. */
export function conformsToStore(name: string, make: () => Promise<Store>): void {
  describe(`${name} conforms to Store`, () => {
    let store: Store
    beforeEach(async () => {
      store = await make()
      await store.heartbeat(worker, [])
    })
    afterEach(() => store.close())

    const accepted = async (): Promise<Job> => {
      const { jobs } = await store.accept(makeEvent())
      return jobs[0] as Job
    }
    const claimed = async (): Promise<Claim> => (await store.claim(await accepted(), worker.id)) as Claim
    const finish = (
      { runId, functionId, lease, attempt, order }: Claim,
      outcome: Outcome,
    ): Promise<boolean> =>
      store.finish({ runId, functionId, lease, attempt, order, outcome, version: 'v1', durationMs: 1 })
    const state = async (runId: string): Promise<string | undefined> => (await store.run(runId))?.state

    describe('accepting', () => {
      it('keeps the event as it came, with one run for each function', async () => {
        const envelope = {
          ...makeEnvelope({ subject: 's', data: { a: [1, null] } }),
          request: { method: 'GET' },
        }
        const runs = [makeRun(), makeRun({ functionId: 'b' })]
        const acceptance = await store.accept(makeEvent({ envelope, runs }))
        assert.equal(acceptance.duplicate, false)
        assert.deepEqual(
          acceptance.runIds,
          runs.map(({ id }) => id),
        )
        assert.deepEqual(
          acceptance.jobs.map(({ functionId, lease }) => [functionId, lease]),
          [
            ['orders/place', 0],
            ['b', 0],
          ],
        )
        assert.deepEqual((await store.event(acceptance.eventId))?.envelope, envelope)
        assert.equal(await state(acceptance.runIds[0] ?? ''), 'accepted')
      })

      it('carries any JSON unharmed, U+0000 and lone surrogates included', async () => {
        const json = fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' })
        const hard = {
          nul: '\u0000',
          lone: '\ud800',
          proto: JSON.parse('{"__proto__":{"x":1}}') as unknown,
        }
        for (const data of [hard, ...fc.sample(json, { numRuns: 60, seed: 7 })]) {
          const { eventId } = await store.accept(makeEvent({ envelope: makeEnvelope({ data }) }))
          const back = await store.event(eventId)
          assert.equal(JSON.stringify(back?.envelope.data), JSON.stringify(data))
        }
      })

      it('G3: answers a duplicate as the first delivery, and stores nothing', async () => {
        const envelope = makeEnvelope()
        const first = await store.accept(makeEvent({ envelope }))
        const again = await store.accept(makeEvent({ envelope }))
        assert.deepEqual(again, {
          eventId: first.eventId,
          runIds: first.runIds,
          duplicate: true,
          jobs: [],
          claims: [],
        })
        assert.equal((await store.runs({})).length, 1)
      })

      it('G3: makes one event of a hundred concurrent deliveries', async () => {
        const envelope = makeEnvelope()
        const all = await Promise.all(
          Array.from({ length: 100 }, () => store.accept(makeEvent({ envelope }))),
        )
        assert.equal(all.filter(({ duplicate }) => !duplicate).length, 1)
        assert.equal(new Set(all.map(({ runIds }) => runIds[0])).size, 1)
        assert.equal((await store.runs({})).length, 1)
      })

      it('G3: knows an event by each of its aliases', async () => {
        const first = await store.accept(makeEvent({ aliases: ['sha256:aa'] }))
        const again = await store.accept(makeEvent({ aliases: ['sha256:aa'] }))
        assert.deepEqual([again.eventId, again.runIds, again.duplicate], [first.eventId, first.runIds, true])
        assert.equal((await store.accept(makeEvent({ aliases: ['sha256:bb'] }))).duplicate, false)
      })

      it('knows it by the aliases of its repeats, too', async () => {
        const envelope = makeEnvelope()
        const first = await store.accept(makeEvent({ envelope, aliases: ['sha256:cc'] }))
        assert.equal((await store.accept(makeEvent({ envelope, aliases: ['sha256:dd'] }))).duplicate, true)
        const again = await store.accept(makeEvent({ aliases: ['sha256:dd'] }))
        assert.deepEqual([again.eventId, again.runIds, again.duplicate], [first.eventId, first.runIds, true])
      })

      it('G3: makes one run per function and idempotency key', async () => {
        const event = (functionId: string) =>
          makeEvent({ runs: [makeRun({ functionId, idempotencyKey: 'order-1' })] })
        const first = await store.accept(event('a'))
        const same = await store.accept(event('a'))
        assert.deepEqual([same.runIds, same.duplicate, same.jobs], [first.runIds, true, []])
        assert.equal((await store.accept(event('b'))).duplicate, false)
      })

      it('answers a repeat of an event whose runs are those of another as before', async () => {
        const runs = () => [
          makeRun({ functionId: 'a', idempotencyKey: 'order-2' }),
          makeRun({ functionId: 'b' }),
        ]
        const [a] = (await store.accept(makeEvent({ runs: runs().slice(0, 1) }))).runIds
        for (const aliases of [[], ['sha256:ee']]) {
          const envelope = makeEnvelope()
          const first = await store.accept(makeEvent({ envelope, aliases, runs: runs() }))
          assert.deepEqual([first.runIds[0], first.duplicate], [a, false])
          const again = await store.accept(makeEvent({ envelope, aliases, runs: runs() }))
          assert.deepEqual(again, { ...first, duplicate: true, jobs: [] })
          const alone = makeEnvelope()
          const same = await store.accept(makeEvent({ envelope: alone, runs: runs().slice(0, 1) }))
          assert.deepEqual(await store.accept(makeEvent({ envelope: alone, runs: runs().slice(0, 1) })), same)
        }
      })

      it('keeps an event that no function wants', async () => {
        const { eventId, runIds, duplicate } = await store.accept(makeEvent({ runs: [] }))
        assert.deepEqual([runIds, duplicate], [[], false])
        assert.ok(await store.event(eventId))
      })
    })

    describe('leases', () => {
      it('gives a run to one of many who want it, with its event', async () => {
        const job = await accepted()
        const claims = await Promise.all(Array.from({ length: 20 }, () => store.claim(job, worker.id)))
        const taken = claims.filter((claim) => claim !== null)
        assert.equal(taken.length, 1)
        assert.deepEqual([taken[0]?.attempt, taken[0]?.lease, taken[0]?.maxAttempts], [1, 1, 3])
        assert.equal(taken[0]?.event.source, '/test')
        assert.equal(await state(job.runId), 'running')
      })

      it('refuses a job that was made before the last start', async () => {
        const claim = await claimed()
        await finish(claim, { kind: 'retry', failure, delayMs: 0 })
        const stale = { runId: claim.runId, functionId: claim.functionId, lease: 0 }
        assert.equal(await store.claim(stale, worker.id), null)
        assert.ok(await store.claim({ ...stale, lease: 1 }, worker.id))
      })

      it('completes with the result, once', async () => {
        const claim = await claimed()
        const done: string[] = []
        store.onFinished((runId) => done.push(runId))
        assert.equal(await finish(claim, { kind: 'completed', result: { n: 1 } }), true)
        assert.equal(await finish(claim, { kind: 'completed', result: { n: 2 } }), false)
        const run = await store.run(claim.runId)
        assert.deepEqual([run?.state, run?.result, run?.worker], ['completed', { n: 1 }, null])
        assert.deepEqual(done, [claim.runId])
        const [attempt] = await store.attempts(claim.runId)
        assert.deepEqual(
          [attempt?.number, attempt?.outcome, attempt?.version, attempt?.worker],
          [1, 'completed', 'v1', 'wrk_a'],
        )
      })

      it('keeps what an attempt took with it, and sums it up by function and day', async () => {
        const took = (durationMs: number, more: Partial<Metered> = {}): Metered => ({
          ...{
            durationMs,
            cpuMs: 1.5,
            peakKb: 50_000,
            cold: false,
            bytesIn: 10,
            bytesOut: 20,
            memoryMb: 1_024,
          },
          ...more,
        })
        const ends: readonly (readonly [Outcome, Metered | null])[] = [
          [{ kind: 'completed', result: 1 }, took(0.25, { cold: true, peakKb: 60_000 })],
          [{ kind: 'retry', failure, delayMs: 60_000 }, took(1_500.5)],
          [
            { kind: 'dead', failure },
            took(2, { cpuMs: null, peakKb: null, bytesOut: 2 ** 24, memoryMb: 512 }),
          ],
          [{ kind: 'released', failure }, took(9_000)],
        ]
        for (const [outcome, meter] of ends) {
          const { runId, functionId, lease, attempt, order } = await claimed()
          const rest = { outcome, version: 'v1', durationMs: 1, meter }
          assert.ok(await store.finish({ runId, functionId, lease, attempt, order, ...rest }))
          const [kept] = await store.attempts(runId)
          assert.deepEqual(kept?.meter, meter)
        }
        const [sum, ...others] = await store.usage(1)
        assert.deepEqual(others, [])
        assert.match(sum?.day ?? '', /^\d{4}-\d\d-\d\d$/)
        const { gbSeconds = 0, ...exact } = sum ?? {}
        assert.equal(gbSeconds.toFixed(9), (1.502 + 0.001).toFixed(9))
        assert.deepEqual(exact, {
          ...{ day: sum?.day, functionId: 'orders/place', runs: 3, attempts: 3, failed: 2, cold: 1 },
          ...{ busyMs: 1_502.75, failedMs: 1_502.5, billedMs: 1 + 1_501 + 2 },
          ...{ cpuMs: 3, peakKb: 60_000, bytesIn: 30, bytesOut: 40 + 2 ** 24 },
        })
        assert.equal(await store.sumUsage(), 0, 'the day is not over')
      })

      it('has no measure of an attempt that was lost or that nobody measured', async () => {
        const claim = await claimed()
        await finish(claim, { kind: 'completed', result: 1 })
        assert.equal((await store.attempts(claim.runId))[0]?.meter, null)
        const [sum] = await store.usage(1)
        assert.deepEqual([sum?.attempts, sum?.gbSeconds, sum?.billedMs], [1, 0, sum?.billedMs])
      })

      it('brings a retry back when it is due, with the next attempt', async () => {
        const claim = await claimed()
        await finish(claim, { kind: 'retry', failure, delayMs: 120 })
        const job = { runId: claim.runId, functionId: claim.functionId, lease: 1 }
        assert.equal(await store.claim(job, worker.id), null)
        const next = await store.nextDueMs()
        assert.ok(next !== null && next > 0 && next <= 120, `next due in ${next} ms`)
        const [due] = await eventually(async () => {
          const jobs = await store.due(10)
          return jobs.length > 0 ? jobs : null
        }, 'the retry is due')
        assert.deepEqual(due, job)
        assert.equal((await store.claim(job, worker.id))?.attempt, 2)
      })

      it('G2: gives back a released run without using its attempt', async () => {
        const claim = await claimed()
        await finish(claim, { kind: 'released', failure })
        const run = await store.run(claim.runId)
        assert.deepEqual([run?.state, run?.attempt, run?.losses], ['queued', 0, 1])
        const job = { runId: claim.runId, functionId: claim.functionId, lease: 1 }
        assert.equal((await store.claim(job, worker.id))?.attempt, 1)
      })

      it('G10: counts how often a run ended its process by itself, anew after a replay', async () => {
        const claim = await claimed()
        const crash = { ...failure, code: 'TPT_FUNCTION_CRASHED' }
        const job = (lease: number): Job => ({ runId: claim.runId, functionId: claim.functionId, lease })
        await finish(claim, { kind: 'retry', failure: crash, delayMs: 0 })
        const second = await store.claim(job(1), worker.id)
        assert.equal(second?.crashes, 1)
        await finish(second, { kind: 'retry', failure, delayMs: 0 })
        const third = await store.claim(job(2), worker.id)
        assert.equal(third?.crashes, 1)
        await finish(third, { kind: 'dead', failure: crash })
        await store.replay(claim.runId)
        assert.equal((await store.claim(job(3), worker.id))?.crashes, 0)
      })

      it('G2: does not count a shutdown as a loss', async () => {
        const claim = await claimed()
        await finish(claim, { kind: 'released', failure: { ...failure, code: 'TPT_SHUTDOWN' } })
        assert.equal((await store.run(claim.runId))?.losses, 0)
      })
    })

    describe('sweeping', () => {
      it('G1: finds accepted runs that nobody queued, after a grace', async () => {
        const job = await accepted()
        assert.deepEqual(await store.due(10), [])
        const jobs = await eventually(async () => {
          const found = await store.due(10)
          return found.length > 0 ? found : null
        }, 'the accepted run is due')
        assert.deepEqual(jobs, [job])
        await store.markQueued(jobs)
        assert.deepEqual(await store.due(10), [])
        assert.deepEqual(await store.queued('', 0, 10), [job])
        assert.deepEqual(await store.queued(job.runId, 0, 10), [])
        assert.deepEqual(await store.queued('', 60_000, 10), [])
      })

      it('holds a delayed run back until its time', async () => {
        const { runIds, jobs } = await store.accept(makeEvent({ delayMs: 150 }))
        assert.deepEqual(jobs, [])
        assert.deepEqual(await store.due(10), [])
        const [due] = await eventually(async () => {
          const found = await store.due(10)
          return found.length > 0 ? found : null
        }, 'the delayed run is due')
        assert.equal(due?.runId, runIds[0])
      })

      it('does not mark a run that has started', async () => {
        const job = await accepted()
        await store.claim(job, worker.id)
        await store.markQueued([job])
        assert.equal(await state(job.runId), 'running')
      })

      it('G4: takes the runs of a silent worker, and fences what it still holds', async () => {
        const claim = await claimed()
        assert.deepEqual(await store.reclaim(60_000, 10), [])
        await eventually(async () => (await store.reclaim(20, 10)).length === 1, 'the run is reclaimed')
        const run = await store.run(claim.runId)
        assert.deepEqual([run?.state, run?.attempt, run?.losses], ['queued', 0, 1])
        assert.equal(await finish(claim, { kind: 'completed', result: 1 }), false)
        assert.deepEqual(await store.heartbeat(worker, [claim]).then((l) => l.map(({ runId }) => runId)), [
          claim.runId,
        ])
        assert.equal((await store.attempts(claim.runId))[0]?.outcome, 'lost')
      })

      it('G2: makes a run dead that has lost too many workers', async () => {
        const claim = await claimed()
        await eventually(async () => {
          await store.reclaim(20, 1)
          return (await state(claim.runId)) === 'dead'
        }, 'the run is dead')
        assert.equal((await store.run(claim.runId))?.failure?.code, 'TPT_RUN_LOST_TOO_OFTEN')
      })

      it('G4: takes the runs of a forgotten worker at once, until its heart beats again', async () => {
        const claim = await claimed()
        await store.forget([worker.id])
        assert.deepEqual(
          (await store.reclaim(3_600_000, 10)).map(({ runId }) => runId),
          [claim.runId],
        )
        await store.heartbeat(worker, [])
        await claimed()
        assert.deepEqual(await store.reclaim(3_600_000, 10), [])
      })

      it('tells which workers of a machine are silent', async () => {
        await store.heartbeat({ id: 'wrk_b', host: 'here', pid: 7, machine: 'm', birth: '42' }, [])
        const silent = await eventually(async () => {
          const found = await store.neighbours('m', 5)
          return found.length > 0 ? found : null
        }, 'it is silent')
        assert.deepEqual(silent, [{ id: 'wrk_b', pid: 7, birth: '42' }])
        assert.deepEqual(await store.neighbours('m', 60_000), [])
        assert.deepEqual(await store.neighbours('other', 0), [])
      })

      it('puts back what a leaving worker holds', async () => {
        const claim = await claimed()
        const [job] = await store.leave(worker.id)
        assert.deepEqual(job, { runId: claim.runId, functionId: claim.functionId, lease: 1 })
        assert.equal(await state(claim.runId), 'queued')
      })

      it('does not disown what was claimed a moment ago', async () => {
        await claimed()
        assert.deepEqual(await store.disown(worker.id, []), [])
      })
    })

    keepsOrder(() => store)
    startsInPlace(() => store)

    describe('people', () => {
      it('G2: replays a dead run with all its attempts', async () => {
        const claim = await claimed()
        assert.equal(await store.replay(claim.runId), null)
        await finish(claim, { kind: 'dead', failure })
        assert.equal((await store.run(claim.runId))?.failure?.message, 'boom')
        const [job = assert.fail()] = (await store.replay(claim.runId)) ?? []
        assert.equal(job.lease, 1)
        assert.equal((await store.claim(job, worker.id))?.attempt, 1)
      })

      it('cancels a run, and tells its worker', async () => {
        const claim = await claimed()
        assert.equal(await store.cancel(claim.runId), true)
        assert.equal(await store.cancel(claim.runId), false)
        assert.deepEqual((await store.heartbeat(worker, [claim])).length, 1)
        assert.equal(await finish(claim, { kind: 'completed', result: 1 }), false)
        assert.equal(await state(claim.runId), 'cancelled')
      })

      it('lists runs, newest first, by page and filter', async () => {
        const ids: string[] = []
        for (const functionId of ['a', 'b', 'a']) {
          const { runIds } = await store.accept(makeEvent({ runs: [makeRun({ functionId })] }))
          ids.push(runIds[0] ?? '')
        }
        const list = async (filter: Parameters<Store['runs']>[0]) =>
          (await store.runs(filter)).map(({ id }) => id)
        assert.deepEqual(await list({}), ids.toReversed())
        assert.deepEqual(await list({ functionId: 'a' }), [ids[2], ids[0]])
        assert.deepEqual(await list({ limit: 1, before: ids[2] ?? '' }), [ids[1]])
        assert.deepEqual(await list({ state: 'dead' }), [])
        const stats = await store.stats()
        assert.deepEqual(
          stats.find(({ functionId }) => functionId === 'a'),
          { functionId: 'a', state: 'accepted', count: 2 },
        )
      })

      it('counts the runs of each function in each state', async () => {
        await store.accept(makeEvent({ runs: [makeRun({ functionId: 'b' })] }))
        await store.markQueued([await accepted()])
        await claimed()
        await finish(await claimed(), { kind: 'retry', failure, delayMs: 60_000 })
        for (let n = 0; n < 2; n++) await finish(await claimed(), { kind: 'completed', result: null })
        await finish(await claimed(), { kind: 'dead', failure })
        await store.cancel((await accepted()).runId)
        const counts = (await store.stats()).map(
          ({ functionId, state: at, count }) => `${functionId} ${at} ${count}`,
        )
        assert.deepEqual(counts.toSorted(), [
          'b accepted 1',
          'orders/place cancelled 1',
          'orders/place completed 2',
          'orders/place dead 1',
          'orders/place queued 1',
          'orders/place retrying 1',
          'orders/place running 1',
        ])
      })

      it('keeps log lines in order', async () => {
        const { runId } = await claimed()
        const time = '2026-11-23T10:00:00.000Z'
        const lines = ['one', 'two', 'nul \u0000'].map((message) => ({
          runId,
          attempt: 1,
          time,
          level: 'info' as const,
          message,
          fields: null,
        }))
        await store.appendLogs(lines)
        const back = await store.logs(runId)
        assert.deepEqual(back.slice(0, 2), lines.slice(0, 2))
        assert.equal(back.length, 3)
      })

      it('starts no run of a paused function, and all when it is resumed', async () => {
        const accept = async (functionId: string) =>
          (await store.accept(makeEvent({ runs: [makeRun({ functionId })] }))).jobs[0] as Job
        const [held, free] = [await accept('held'), await accept('free')]
        await store.markQueued([held, free])
        await store.pause('held', 'ann')
        await store.pause('held', 'bob')
        assert.deepEqual(
          (await store.paused()).map(({ functionId, pausedBy }) => [functionId, pausedBy]),
          [['held', 'ann']],
        )
        assert.equal(await store.claim(held, worker.id), null)
        assert.deepEqual(await store.queued('', 0, 10), [free])
        assert.deepEqual(await store.resume('held'), [held])
        assert.deepEqual((await store.queued('', 0, 10)).length, 2)
        assert.equal((await store.claim(held, worker.id))?.runId, held.runId)
      })

      it('keeps a paused retry back until it is resumed', async () => {
        const claim = await claimed()
        await finish(claim, { kind: 'retry', failure, delayMs: 0 })
        await store.pause(claim.functionId, 'ann')
        assert.deepEqual(await store.due(10), [])
        await store.resume(claim.functionId)
        assert.equal((await store.due(10)).length, 1)
      })

      it('G2, G3: retires old events with all that belongs to them, never open runs', async () => {
        const done = await claimed()
        await finish(done, { kind: 'completed', result: null })
        const dead = await claimed()
        await finish(dead, { kind: 'dead', failure })
        const open = await accepted()
        const day = 86_400_000
        assert.equal(await store.retire({ runsMs: day, deadMs: day }), 0)
        await eventually(
          async () => (await store.retire({ runsMs: 1, deadMs: day })) === 1,
          'one event retired',
        )
        assert.equal(await store.run(done.runId), null)
        assert.equal(await state(dead.runId), 'dead')
        assert.equal(await state(open.runId), 'accepted')
      })

      it('answers null for what is not there', async () => {
        const nobody = newId('run')
        assert.equal(await store.run(nobody), null)
        assert.equal(await store.event('evt_none'), null)
        assert.equal(await store.replay(nobody), null)
        assert.equal(await store.cancel(nobody), false)
      })
    })
  })
}
