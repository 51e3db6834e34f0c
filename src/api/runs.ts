import { createHash } from 'node:crypto'

import * as z from 'zod'

import { TappetError } from '../errors.ts'
import { type Envelope, MAX_ATTRIBUTE } from '../events/envelope.ts'
import { newId } from '../lib/id.ts'
import { RUN_STATES, type RunState } from '../store/run-state.ts'
import type { Run } from '../store/store.ts'
import type { AdminDeps } from './deps.ts'
import { toPublicError } from './error-body.ts'
import { findFunction, subscriptionOf } from './functions.ts'
import { functionName, limit, readJson, readQuery, runCursor } from './input.ts'
import type { HttpReply, HttpRequest } from './server.ts'

const PAGE = 50
const MAX_PAGE = 500

const Filter = z.strictObject({
  state: z
    .enum(RUN_STATES as [RunState, ...RunState[]], `must be one of ${RUN_STATES.join(', ')}`)
    .optional(),
  function: functionName.optional(),
  before: runCursor.optional(),
  limit: limit(MAX_PAGE, PAGE),
})

/** Newest first. `next` is the `before` of the page after this one; null at the end. */
export async function listRuns(request: HttpRequest, { store }: AdminDeps): Promise<object> {
  const { state, function: functionId, before, limit: most } = readQuery(request, Filter)
  const runs = await store.runs({
    limit: most,
    ...(state !== undefined && { state }),
    ...(functionId !== undefined && { functionId }),
    ...(before !== undefined && { before }),
  })
  return { runs, next: runs.length === most ? (runs.at(-1)?.id ?? null) : null }
}

/** All that the ledger knows about a run. */
export async function showRun(request: HttpRequest, { store }: AdminDeps): Promise<object> {
  const run = await findRun(request, store)
  const [event, attempts, logs] = await Promise.all([
    store.event(run.eventId),
    store.attempts(run.id),
    store.logs(run.id),
  ])
  return { run, event: event && { receivedAt: event.receivedAt, ...event.envelope }, attempts, logs }
}

/** For whoever was told the run's id with a 202: how it goes, and what came of it. No payload, nothing internal. */
export async function showOutcome(request: HttpRequest, { store }: AdminDeps): Promise<object> {
  const { id, functionId, state, attempt, maxAttempts, result, failure } = await findRun(request, store)
  const seen = failure && toPublicError(failure, id)
  const error = seen && { code: seen.code, message: seen.message }
  return { run: id, function: functionId, state, attempt, maxAttempts, result: result ?? null, error }
}

const Replay = z.strictObject({ data: z.unknown().optional() })

/** Without data the same run starts again; with data a new event makes a new run of the same function. */
export async function replay(request: HttpRequest, reply: HttpReply, deps: AdminDeps): Promise<HttpReply> {
  const run = await findRun(request, deps.store)
  const body = await readJson(request, Replay)
  if ('data' in body) return reply.code(202).send(await replayEdited(run, body.data, deps))
  await replayRun(run, deps)
  return reply.code(202).send({ run: run.id, event: run.eventId, duplicate: false })
}

/** @throws TappetError TPT_CONFLICT when it is neither dead nor cancelled, TPT_FUNCTION_NOT_FOUND when its code is gone. */
export async function replayRun(run: Run, deps: AdminDeps): Promise<void> {
  findFunction(deps, run.functionId)
  const jobs = await deps.store.replay(run.id)
  if (jobs) return deps.enqueue(jobs)
  const { state } = (await deps.store.run(run.id)) ?? run
  const message = `only dead and cancelled runs can be replayed as they are; ${run.id} is ${state}: replay it with edited data`
  throw new TappetError('TPT_CONFLICT', message)
}

async function replayEdited(run: Run, data: unknown, deps: AdminDeps): Promise<object> {
  const subscription = subscriptionOf(findFunction(deps, run.functionId), run.trigger)
  const event = await deps.store.event(run.eventId)
  if (!event) throw new TappetError('TPT_NOT_FOUND', `the event of ${run.id} is not kept any more`)
  const { envelope } = event
  const edited: Envelope = { ...envelope, id: replayId(envelope.id), data }
  const { eventId, runIds, duplicate } = await deps.emit(edited, [subscription])
  return { run: runIds[0], event: eventId, duplicate }
}

const SUFFIX = /;replay=\w+$/

/** A name of its own that still says whose replay it is. */
function replayId(original: string): string {
  const suffix = `;replay=${newId('msg').slice('msg_'.length)}`
  const first = original.replace(SUFFIX, '')
  if (first.length + suffix.length <= MAX_ATTRIBUTE) return first + suffix
  return `sha256-${createHash('sha256').update(first).digest('hex')}${suffix}`
}

export async function cancel(request: HttpRequest, { store }: AdminDeps): Promise<object> {
  const run = await findRun(request, store)
  if (await store.cancel(run.id)) return { run: run.id, state: 'cancelled' }
  const { state } = (await store.run(run.id)) ?? run
  throw new TappetError('TPT_CONFLICT', `only runs that are not over can be cancelled; ${run.id} is ${state}`)
}

async function findRun(request: HttpRequest, store: AdminDeps['store']): Promise<Run> {
  const { id } = request.params as { readonly id: string }
  const run = id.length > 100 || id.includes('\u0000') ? null : await store.run(id)
  if (run) return run
  throw new TappetError('TPT_NOT_FOUND', `there is no run ${JSON.stringify(id.slice(0, 100))}`)
}
