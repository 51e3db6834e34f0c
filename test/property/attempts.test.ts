import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { toFailure } from '../../src/errors.ts'
import { silentLogger } from '../../src/lib/log.ts'
import type { Job } from '../../src/queue/queue.ts'
import type { FunctionRuntime, Settled } from '../../src/runtime/runtime.ts'
import { createMemoryStore } from '../../src/store/memory/store.ts'
import { isFinal } from '../../src/store/run-state.ts'
import type { Store } from '../../src/store/store.ts'
import { runAttempt } from '../../src/worker/attempt.ts'
import { makeEvent, makeFunction, makeHold, makeRun } from '../support/make.ts'
import { propertyRuns } from '../support/property.ts'

type Ending = 'ok' | 'fails' | 'lost'

interface History {
  readonly runs: number
  /** Which run each delivery of a job is of, and to which worker: more than one delivery is a redelivery. */
  readonly deliveries: readonly { readonly run: number; readonly worker: number }[]
  /** A sweep that takes every worker for dead, or a person who cancels. */
  readonly troubles: readonly { readonly kind: 'reclaim' | 'cancel'; readonly run: number }[]
  readonly endings: readonly Ending[]
}

const history: fc.Arbitrary<History> = fc.record({
  runs: fc.integer({ min: 1, max: 3 }),
  deliveries: fc.array(fc.record({ run: fc.nat(2), worker: fc.nat(1) }), { minLength: 1, maxLength: 8 }),
  troubles: fc.array(fc.record({ kind: fc.constantFrom('reclaim', 'cancel'), run: fc.nat(2) }), {
    maxLength: 3,
  }),
  endings: fc.array(fc.constantFrom<Ending>('ok', 'ok', 'fails', 'lost'), { minLength: 1, maxLength: 6 }),
})

const fn = makeFunction({ retry: { attempts: 3, delayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0 } })

/** The ledger behind a network: each call takes its time to arrive, and its answer to come back. */
function behindNetwork(store: Store, scheduler: fc.Scheduler): Store {
  const slowly =
    <Args extends unknown[], T>(name: string, call: (...args: Args) => Promise<T>) =>
    async (...args: Args): Promise<T> => {
      await scheduler.schedule(Promise.resolve(), `${name} arrives`)
      const answer = await call(...args)
      await scheduler.schedule(Promise.resolve(), `${name} answers`)
      return answer
    }
  return { ...store, claim: slowly('claim', store.claim), finish: slowly('finish', store.finish) }
}

interface Played {
  readonly store: Store
  readonly runIds: readonly string[]
  /** By run: the leases under which its function was called. */
  readonly calls: ReadonlyMap<string, number[]>
  /** By run: outcomes that the ledger took. */
  readonly taken: ReadonlyMap<string, string[]>
}

async function play(
  scheduler: fc.Scheduler,
  { runs, deliveries, troubles, endings }: History,
): Promise<Played> {
  let ms = Date.UTC(2026, 0, 1)
  const memory = createMemoryStore(() => new Date(ms++))
  const calls = new Map<string, number[]>()
  const taken = new Map<string, string[]>()
  const push = <T>(map: Map<string, T[]>, key: string, value: T): void => {
    map.set(key, [...(map.get(key) ?? []), value])
  }
  const finish: Store['finish'] = async (finishing) => {
    const ended = await memory.finish(finishing)
    if (ended) push(taken, finishing.runId, finishing.outcome.kind)
    return ended
  }
  const store = behindNetwork({ ...memory, finish }, scheduler)
  let turn = 0
  const runtime: Pick<FunctionRuntime, 'run'> = {
    async run(_, { runId }): Promise<Settled> {
      push(calls, runId, (await memory.run(runId))?.lease ?? -1)
      await scheduler.schedule(Promise.resolve(), 'the function ends')
      const ending = endings[turn++] ?? 'ok'
      if (ending === 'ok') return { ok: true, result: null }
      return { ok: false, lost: ending === 'lost', failure: toFailure(new Error(ending)) }
    },
  }
  const work = (job: Job, workerId: string) =>
    runAttempt(fn, job, {
      ...{ store, workerId, hold: makeHold, logger: silentLogger, random: () => 0 },
      runtime: runtime as FunctionRuntime,
    })
  const made = Array.from({ length: runs }, () => makeRun({ functionId: fn.id, maxAttempts: 3 }))
  for (const run of made) await memory.accept(makeEvent({ runs: [run] }))
  const jobOf = async (n: number): Promise<Job> => {
    const { id: runId, functionId } = made[n % runs] as (typeof made)[number]
    return { runId, functionId, lease: (await memory.run(runId))?.lease ?? 0 }
  }
  for (const { run, worker } of deliveries) {
    const job = await jobOf(run)
    void scheduler.schedule(Promise.resolve(), 'delivery').then(() => work(job, `wrk_${worker}`))
  }
  for (const { kind, run } of troubles) {
    void scheduler.schedule(Promise.resolve(), kind).then(async () => {
      if (kind === 'reclaim') await memory.reclaim(-1_000_000, 10)
      else await memory.cancel((await jobOf(run)).runId)
    })
  }
  await scheduler.waitIdle()
  await settle(memory, made, (job) => scheduler.waitFor(work(job, 'wrk_last')))
  return { store: memory, runIds: made.map(({ id }) => id), calls, taken }
}

/** What the sweep does in the end: everything that is not over is offered again, until it is. */
async function settle(
  store: Store,
  runs: readonly { readonly id: string }[],
  work: (job: Job) => Promise<unknown>,
): Promise<void> {
  await store.reclaim(-1_000_000, 10)
  for (let round = 0; round < 20; round++) {
    for (const { id } of runs) {
      const run = await store.run(id)
      if (run && !isFinal(run.state)) await work({ runId: id, functionId: fn.id, lease: run.lease })
    }
  }
}

test('G2, G4: whoever delivers, dies or cancels when: each run ends once, each lease is used once', async () => {
  const property = fc.asyncProperty(fc.scheduler(), history, async (scheduler, of) => {
    const { store, runIds, calls, taken } = await play(scheduler, of)
    const reclaims = of.troubles.filter(({ kind }) => kind === 'reclaim').length
    for (const id of runIds) {
      const run = await store.run(id)
      assert.ok(run && isFinal(run.state), `${id} is ${run?.state}`)
      const outcomes = taken.get(id) ?? []
      assert.ok(
        outcomes.filter((kind) => kind === 'completed' || kind === 'dead').length <= 1,
        outcomes.join(),
      )
      const leases = calls.get(id) ?? []
      assert.equal(leases.length, new Set(leases).size, 'one lease, one call')
      const attempts = await store.attempts(id)
      assert.equal(
        new Set(attempts.map(({ lease }) => lease)).size,
        attempts.length,
        'one lease, one outcome',
      )
      if (run.state === 'dead') assert.equal(outcomes.filter((kind) => kind === 'retry').length, 2)
      const useful = outcomes.length + reclaims + of.troubles.length
      assert.ok(leases.length <= Math.max(1, useful), `${leases.length} calls for ${outcomes.join()}`)
    }
  })
  await fc.assert(property, propertyRuns())
})
