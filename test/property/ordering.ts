import assert from 'node:assert/strict'
import fc from 'fast-check'
import { toFailure } from '../../src/errors.ts'
import { newId } from '../../src/lib/id.ts'
import { isFinal } from '../../src/store/run-state.ts'
import type { Outcome, Store } from '../../src/store/store.ts'
import { makeEvent, makeRun } from '../support/make.ts'

/** A run as the model knows it. */
interface Ordered {
  readonly id: string
  readonly functionId: string
  readonly key: string | null
  /** The last one of its key was 1 less, or lower. */
  place: number
  over: boolean
  running: boolean
  /** As its claim said. */
  order: string | null
}

interface Model {
  readonly history: string
  readonly runs: Ordered[]
  places: number
}

type Step = fc.AsyncCommand<Model, Store>

const failure = toFailure(new Error('boom'))
const OUTCOMES: readonly Outcome[] = [
  { kind: 'completed', result: null },
  { kind: 'dead', failure },
  { kind: 'retry', failure, delayMs: 0 },
  { kind: 'released', failure },
]

function step(name: string, run: (model: Model, store: Store) => Promise<void>): Step {
  const check = async (model: Model, store: Store): Promise<void> => {
    const released = new Set<string>()
    const headsBefore = new Set(headsOf(model))
    const off = store.onReleased((jobs) => jobs.forEach(({ runId }) => released.add(runId)))
    try {
      await run(model, store)
    } finally {
      off()
    }
    for (const one of model.runs) {
      const stored = await store.run(one.id)
      assert.equal(stored?.held, !one.over && !isHead(model, one), `${name}: held of ${one.id}`)
    }
    // Whoever became a head by somebody's end was handed out at once.
    for (const id of released) assert.ok(headsOf(model).includes(id) && !headsBefore.has(id), name)
  }
  return { check: () => true, run: check, toString: () => name }
}

function isHead({ runs }: Model, { functionId, key, place }: Ordered): boolean {
  if (key === null) return true
  return !runs.some(
    (other) => other.functionId === functionId && other.key === key && !other.over && other.place < place,
  )
}

function headsOf(model: Model): string[] {
  return model.runs.filter((run) => !run.over && isHead(model, run)).map(({ id }) => id)
}

const accept = (keys: readonly (string | null)[], functionId: string): Step =>
  step(`accept(${functionId}, ${keys.join()})`, async (model, store) => {
    const name = `${functionId}-${model.history}`
    const runs = keys.map((orderingKey) => makeRun({ functionId: name, orderingKey, maxAttempts: 1_000 }))
    const { jobs } = await store.accept(makeEvent({ runs }))
    const made = runs.map(({ id, orderingKey: key }) => ({
      ...{ id, functionId: name, key, place: ++model.places, over: false, running: false, order: null },
    }))
    model.runs.push(...made)
    const wanted = made.filter((run) => isHead(model, run)).map(({ id }) => id)
    assert.deepEqual(
      jobs.map(({ runId }) => runId),
      wanted,
    )
  })

const onRun = (
  name: string,
  place: number,
  act: (run: Ordered, model: Model, store: Store) => Promise<void>,
) =>
  step(`${name}(#${place})`, async (model, store) => {
    const run = model.runs[place % Math.max(1, model.runs.length)]
    if (run) await act(run, model, store)
  })

const leaseOf = async (store: Store, { id }: Ordered): Promise<number> => (await store.run(id))?.lease ?? 0

const start = (place: number): Step =>
  onRun('start', place, async (run, model, store) => {
    const may = !run.over && !run.running && isHead(model, run)
    const job = { runId: run.id, functionId: run.functionId, lease: await leaseOf(store, run) }
    const claim = await store.claim(job, 'wrk_order')
    assert.equal(claim !== null, may)
    run.running ||= may
    run.order = claim?.order ?? run.order
  })

const end = (place: number, outcome: Outcome): Step =>
  onRun(outcome.kind, place, async (run, _, store) => {
    const { id: runId, functionId } = run
    const stored = await store.run(runId)
    const { order } = run
    const { lease = 0, attempt = 0 } = stored ?? {}
    const finish = { runId, functionId, lease, attempt, order, outcome, version: 'v', durationMs: 1 }
    assert.equal(await store.finish(finish), run.running)
    if (!run.running) return
    run.running = false
    run.over = outcome.kind === 'completed' || outcome.kind === 'dead'
  })

const cancel = (place: number): Step =>
  onRun('cancel', place, async (run, _, store) => {
    assert.equal(await store.cancel(run.id), !run.over)
    run.over = true
    run.running = false
  })

const replay = (place: number): Step =>
  onRun('replay', place, async (run, model, store) => {
    const state = (await store.run(run.id))?.state
    const may = state === 'dead' || state === 'cancelled'
    const jobs = await store.replay(run.id)
    assert.equal(jobs !== null, may)
    if (!may) return
    run.over = false
    run.place = ++model.places
    assert.equal(jobs?.length, isHead(model, run) ? 1 : 0)
  })

/** Random lives of runs with few keys. */
function lives(): fc.Arbitrary<Iterable<Step>> {
  const place = fc.nat(12)
  const key = fc.constantFrom('a', 'b', null)
  const functionId = fc.constantFrom('f', 'g')
  return fc.commands(
    [
      fc.tuple(fc.array(key, { minLength: 1, maxLength: 3 }), functionId).map((args) => accept(...args)),
      place.map(start),
      place.map(start),
      fc.tuple(place, fc.constantFrom(...OUTCOMES)).map((args) => end(...args)),
      fc.tuple(place, fc.constantFrom(...OUTCOMES)).map((args) => end(...args)),
      place.map(cancel),
      place.map(replay),
    ],
    { maxCommands: 30, size: '+1' },
  )
}

/** In the end nothing is stuck: whatever is left runs, one after the other. */
async function drain(model: Model, store: Store): Promise<void> {
  for (let left = model.runs.filter(({ over }) => !over); left.length > 0;) {
    const heads = left.filter((run) => isHead(model, run))
    assert.ok(heads.length > 0)
    for (const run of heads) {
      await start(model.runs.indexOf(run)).run(model, store)
      await end(model.runs.indexOf(run), OUTCOMES[0] as Outcome).run(model, store)
      assert.ok(isFinal((await store.run(run.id))?.state ?? 'accepted'))
    }
    left = left.filter(({ over }) => !over)
  }
}

/** For a store of one's own, or one that is shared. */
export function orderProperty(make: () => Store): fc.IAsyncProperty<[Iterable<Step>]> {
  return fc.asyncProperty(lives(), async (steps) => {
    const store = make()
    const model: Model = { history: newId('msg'), runs: [], places: 0 }
    await fc.asyncModelRun(() => ({ model, real: store }), steps)
    await drain(model, store)
  })
}
