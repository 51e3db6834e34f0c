import assert from 'node:assert/strict'
import fc from 'fast-check'
import { TappetError, toFailure } from '../../src/errors.ts'
import type { Outcome, Store } from '../../src/store/store.ts'
import { makeEnvelope, makeEvent, makeRun } from '../support/make.ts'
import * as model from './store-model.ts'

type Command = fc.AsyncCommand<model.Model, Store>

const LATER_MS = 3_600_000
const MAX_LOSSES = 3

/** One call of the ledger: what the model expects of it is asserted, and of the run that it touched. */
function command(name: string, run: (model: model.Model, store: Store) => Promise<void>): Command {
  return { check: () => true, run, toString: () => name }
}

/** Acts on a run that exists; with none, does nothing. */
function onRun(
  name: string,
  place: number,
  act: (run: model.ModelRun, store: Store, all: model.Model) => Promise<void>,
): Command {
  return command(`${name}(#${place})`, async (all, store) => {
    const run = all.runs[place % Math.max(1, all.runs.length)]
    if (!run) return
    await act(run, store, all)
    await agrees(run, store)
  })
}

export async function agrees(expected: model.ModelRun, store: Store): Promise<void> {
  const run = await store.run(expected.id)
  assert.ok(run, `${expected.id} is gone`)
  const { state, attempt, lease, losses, worker, eventId } = run
  const { id, outcomes, ...rest } = expected
  const wanted = {
    ...{ state: rest.state, attempt: rest.attempt, lease: rest.lease },
    ...{ losses: rest.losses, worker: rest.worker, eventId: rest.eventId },
  }
  assert.deepEqual({ state, attempt, lease, losses, worker, eventId }, wanted)
  const attempts = await store.attempts(id)
  assert.deepEqual(
    attempts.toSorted((a, b) => a.lease - b.lease).map(({ outcome }) => outcome),
    outcomes,
  )
}

interface WantedRun {
  readonly functionId: string
  readonly key: string | null
}

function accept(name: string, alias: string | null, wanted: readonly WantedRun[], later: boolean): Command {
  return command(`accept(${name}, ${alias}, ${JSON.stringify(wanted)}, ${later})`, async (all, store) => {
    const runs = wanted.map(({ functionId, key }) =>
      makeRun({ functionId: `${functionId}-${all.history}`, idempotencyKey: key }),
    )
    const envelope = makeEnvelope({ id: name, source: `/model/${all.history}` })
    const aliases = alias === null ? [] : [alias]
    const event = makeEvent({ envelope, aliases, runs, delayMs: later ? LATER_MS : 0 })
    const expected = model.deliver(all, {
      ...{ eventId: event.id, name, alias, later },
      runs: runs.map(({ id, functionId, idempotencyKey: key, maxAttempts }) => ({
        ...{ id, functionId, key, maxAttempts },
      })),
    })
    const { eventId, duplicate, jobs, runIds } = await store.accept(event)
    assert.deepEqual({ eventId, duplicate }, { eventId: expected.eventId, duplicate: expected.duplicate })
    assert.deepEqual(
      jobs.map(({ runId }) => runId),
      later ? [] : expected.made,
    )
    for (const runId of runIds) assert.ok(await store.run(runId), `${runId} was answered, but is not there`)
  })
}

const of = ({ history }: model.Model, worker: string): string => `${worker}-${history}`

const claim = (place: number, worker: string, stale: number): Command =>
  onRun(`claim by ${worker}, ${stale} leases ago`, place, async (run, store, all) => {
    const lease = run.lease - stale
    const { id: runId, functionId } = run
    const claimed = await store.claim({ runId, functionId, lease }, of(all, worker))
    const may = model.mayStart(run, lease)
    assert.equal(claimed !== null, may)
    if (may) model.start(run, of(all, worker))
    if (claimed)
      assert.deepEqual([claimed.lease, claimed.attempt, claimed.losses], [run.lease, run.attempt, run.losses])
  })

const finish = (place: number, stale: number, outcome: Outcome): Command =>
  onRun(`finish ${outcome.kind}, ${stale} leases ago`, place, async (run, store) => {
    const { id: runId, functionId, attempt } = run
    const lease = run.lease - stale
    const may = run.state === 'running' && stale === 0
    const finishing = { runId, functionId, lease, attempt, order: null, outcome, version: 'v', durationMs: 1 }
    assert.equal(await store.finish(finishing), may)
    if (may) model.finish(run, outcome)
  })

const markQueued = (place: number): Command =>
  onRun('markQueued', place, async (run, store) => {
    await store.markQueued([{ runId: run.id, functionId: run.functionId, lease: run.lease }])
    if (run.state === 'accepted' || run.state === 'retrying') run.state = 'queued'
  })

const cancel = (place: number): Command =>
  onRun('cancel', place, async (run, store) => assert.equal(await store.cancel(run.id), model.cancel(run)))

const replay = (place: number): Command =>
  onRun('replay', place, async (run, store) =>
    assert.equal((await store.replay(run.id)) !== null, model.replay(run)),
  )

const held = (all: model.Model, lost: (run: model.ModelRun) => boolean): model.ModelRun[] =>
  all.runs.filter((run) => run.state === 'running' && lost(run))

const heartbeat = (name: string): Command =>
  command(`heartbeat(${name})`, async (all, store) => {
    const worker = of(all, name)
    all.alive.add(worker)
    const leases = all.runs.filter(({ lease }) => lease > 0).map(({ id, lease }) => ({ runId: id, lease }))
    const gone = await store.heartbeat({ id: worker, host: 'here', pid: 1 }, leases)
    const mine = new Set(held(all, (run) => run.worker === worker).map(({ id }) => id))
    assert.deepEqual(
      gone.map(({ runId }) => runId).toSorted(),
      leases
        .map(({ runId }) => runId)
        .filter((id) => !mine.has(id))
        .toSorted(),
    )
  })

const leave = (name: string): Command =>
  command(`leave(${name})`, async (all, store) => {
    const worker = of(all, name)
    const lost = held(all, (run) => run.worker === worker)
    all.alive.delete(worker)
    const back = await store.leave(worker)
    assert.deepEqual(back.map(({ runId }) => runId).toSorted(), lost.map(({ id }) => id).toSorted())
    for (const run of lost) model.lose(run)
  })

/** `everybody`: as if every heart had stopped; else only of workers that the ledger does not know. */
const reclaim = (everybody: boolean): Command =>
  command(`reclaim(${everybody ? 'everybody' : 'strangers'})`, async (all, store) => {
    const lost = held(all, (run) => everybody || !all.alive.has(run.worker ?? ''))
    const back = await store.reclaim(everybody ? -60_000 : 60_000, MAX_LOSSES)
    for (const run of lost) model.reclaim(run, MAX_LOSSES)
    const alive = lost.filter(({ state }) => state === 'queued').map(({ id }) => id)
    assert.deepEqual(back.map(({ runId }) => runId).toSorted(), alive.toSorted())
  })

const failure = toFailure(new Error('boom'))
const OUTCOMES: readonly Outcome[] = [
  { kind: 'completed', result: { ok: true } },
  { kind: 'dead', failure },
  { kind: 'retry', failure, delayMs: 0 },
  { kind: 'retry', failure, delayMs: LATER_MS },
  { kind: 'released', failure: toFailure(new TappetError('TPT_SHUTDOWN', 'stop')) },
  { kind: 'released', failure: toFailure(new TappetError('TPT_INSTANCE_LOST', 'gone')) },
]

/** A worker that takes runs though its heart has never beaten. */
const STRANGER = 'wrk_never'

/** Random histories of a ledger: deliveries, workers that come and go, people who cancel and replay. */
export function histories(maxCommands: number): fc.Arbitrary<Iterable<Command>> {
  const named = (kind: string, of: number) => fc.nat(of - 1).map((n) => `${kind}${n}`)
  const place = fc.nat(20)
  const stale = fc.constantFrom(0, 0, 0, 0, 1)
  const worker = fc.constantFrom('wrk_a', 'wrk_b', STRANGER)
  const outcome = fc.constantFrom(...OUTCOMES)
  const wanted = fc.record({ functionId: named('f', 2), key: fc.option(named('key', 2), { freq: 2 }) })
  const alias = fc.option(named('sha256:', 3))
  const delivery = fc
    .tuple(named('id', 4), alias, fc.array(wanted, { maxLength: 3 }), fc.boolean())
    .map(([name, body, runs, later]) => accept(name, body, runs, later && name === 'id3'))
  const started = fc.tuple(place, worker, stale).map((args) => claim(...args))
  const finished = fc.tuple(place, stale, outcome).map((args) => finish(...args))
  const people = [place.map(markQueued), place.map(cancel), place.map(replay)]
  const hearts = [
    fc.constantFrom('wrk_a', 'wrk_b').map(heartbeat),
    worker.map(leave),
    fc.boolean().map(reclaim),
  ]
  const all = [delivery, started, started, finished, finished, ...people, ...hearts]
  return fc.commands(all, { maxCommands, size: '+1' })
}
