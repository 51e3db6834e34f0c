import { createHash } from 'node:crypto'

import * as z from 'zod'

import { TappetError } from '../errors.ts'
import { type Envelope, MAX_ATTRIBUTE } from '../events/envelope.ts'
import type { Term } from '../filter/term.ts'
import { newId } from '../lib/id.ts'
import { RUN_STATES, type RunState } from '../store/run-state.ts'
import type { Run as RunRecord, Store } from '../store/store.ts'
import type { AdminDeps } from './deps.ts'
import { toPublicError } from './error-body.ts'
import { findFunction, subscriptionOf } from './find-function.ts'
import { filterOf, filterText, functionName, limit, runCursor, sinceMs } from './input.ts'
import { route } from './route.ts'
import { Attempt, Bucket, Count, Event, ListedEvent, ListedRun, LogLine, next, Run } from './schemas.ts'
import type { HttpRequest } from './server.ts'

const PAGE = 50
const MAX_PAGE = 500

const Filter = z.strictObject({
  q: z.string().optional().describe('A filter, such as `status:failed since:24h`.'),
  state: z
    .enum(RUN_STATES as [RunState, ...RunState[]], `must be one of ${RUN_STATES.join(', ')}`)
    .optional(),
  function: functionName.optional(),
  before: runCursor.optional().describe('The `next` of the page before.'),
  limit: limit(MAX_PAGE, PAGE),
})

const Replay = z.strictObject({ data: z.unknown().optional() })

export const runRoutes = [
  route({
    method: 'GET',
    path: '/runs',
    scope: 'read',
    tag: 'Runs',
    summary: 'Runs that a filter selects, newest first.',
    query: Filter,
    answer: z.strictObject({
      runs: z.array(ListedRun),
      next,
      partial: z.boolean().describe('Only a part was looked through, up to `next`: go on for more.'),
    }),
    handle: ({ query }, deps) => listRuns(query, deps),
  }),
  route({
    method: 'GET',
    path: '/runs/count',
    scope: 'read',
    tag: 'Runs',
    summary: 'How many runs a filter selects.',
    query: z.strictObject({ q: filterText }),
    answer: Count,
    handle: ({ query }, { reader }) => reader.countRuns(filterOf(query.q, 'runs')),
  }),
  route({
    method: 'GET',
    path: '/runs/histogram',
    scope: 'read',
    tag: 'Runs',
    summary: 'Runs that a filter selects by when they began and what became of them, oldest first.',
    query: z.strictObject({ q: filterText, since: sinceMs('24h'), buckets: limit(500, 60) }),
    answer: z.strictObject({ buckets: z.array(Bucket) }),
    handle: async ({ query: { q, since, buckets } }, { reader }) => ({
      buckets: await reader.histogram(filterOf(q, 'runs'), { sinceMs: since, buckets }),
    }),
  }),
  route({
    method: 'GET',
    path: '/runs/:id',
    scope: 'read',
    tag: 'Runs',
    summary: 'All that the ledger knows about a run.',
    answer: z.strictObject({
      run: Run,
      event: Event.nullable(),
      attempts: z.array(Attempt),
      logs: z.array(LogLine),
    }),
    handle: ({ params }, deps) => showRun(params.id, deps),
  }),
  route({
    method: 'GET',
    path: '/runs/:id/chain',
    scope: 'read',
    tag: 'Runs',
    summary: 'What caused a run, from the first event on, and what it caused.',
    answer: z.strictObject({ events: z.array(ListedEvent), cut: z.boolean() }),
    handle: async ({ params }, deps) => deps.reader.chain((await findRun(params.id, deps.store)).id),
  }),
  route({
    method: 'POST',
    path: '/runs/:id/replay',
    scope: 'operate',
    tag: 'Runs',
    summary:
      'Starts a dead or cancelled run again; with `data`, a new event makes a new run of the same function.',
    body: Replay,
    statuses: [202],
    answer: z.strictObject({ run: z.string().optional(), event: z.string(), duplicate: z.boolean() }),
    handle: ({ params, body }, deps) => replay(params.id, body, deps),
  }),
  route({
    method: 'POST',
    path: '/runs/:id/cancel',
    scope: 'operate',
    tag: 'Runs',
    summary: 'Ends a run that is not over.',
    answer: z.strictObject({ run: z.string(), state: z.literal('cancelled') }),
    handle: ({ params }, deps) => cancel(params.id, deps),
  }),
]

/** `next` is the `before` of the page after this one; null at the end. */
async function listRuns(query: z.output<typeof Filter>, deps: AdminDeps): Promise<object> {
  const { q, state, function: functionId, before, limit: most } = query
  if (q !== undefined) return search(q, query, deps)
  const runs = await deps.store.runs({
    limit: most,
    ...(state !== undefined && { state }),
    ...(functionId !== undefined && { functionId }),
    ...(before !== undefined && { before }),
  })
  return { runs, next: runs.length === most ? (runs.at(-1)?.id ?? null) : null, partial: false }
}

async function search(
  q: string,
  { state, function: functionId, before, limit: most }: z.output<typeof Filter>,
  { reader }: AdminDeps,
): Promise<object> {
  const typed = filterOf(q, 'runs')
  const also = state === undefined ? [] : filterOf(`status:${state}`, 'runs').terms
  const named = functionId === undefined ? [] : [functionTerm(functionId)]
  const filter = { ...typed, terms: [...typed.terms, ...also, ...named] }
  const page = { filter, limit: most, ...(before !== undefined && { after: before }) }
  const { found, next: last, partial } = await reader.searchRuns(page)
  return { runs: found, next: last, partial }
}

function functionTerm(functionId: string): Term {
  return { field: 'function', path: [], operator: ':', values: [functionId], negated: false }
}

async function showRun(id: string | undefined, { store }: AdminDeps): Promise<object> {
  const run = await findRun(id, store)
  const [event, attempts, logs] = await Promise.all([
    store.event(run.eventId),
    store.attempts(run.id),
    store.logs(run.id),
  ])
  return { run, event: event && { receivedAt: event.receivedAt, ...event.envelope }, attempts, logs }
}

/** For whoever was told the run's id with a 202: how it goes, and what came of it. No payload, nothing internal. */
export async function showOutcome(request: HttpRequest, { store }: AdminDeps): Promise<object> {
  const { id, functionId, state, attempt, maxAttempts, result, failure } = await findRun(
    (request.params as { readonly id?: string }).id,
    store,
  )
  const seen = failure && toPublicError(failure, id)
  const error = seen && { code: seen.code, message: seen.message }
  return { run: id, function: functionId, state, attempt, maxAttempts, result: result ?? null, error }
}

async function replay(
  id: string | undefined,
  body: z.output<typeof Replay>,
  deps: AdminDeps,
): Promise<object> {
  const run = await findRun(id, deps.store)
  if ('data' in body) return replayEdited(run, body.data, deps)
  await replayRun(run, deps)
  return { run: run.id, event: run.eventId, duplicate: false }
}

/** @throws TappetError TPT_CONFLICT for a run that was a request to a web handler: nothing of it is kept but its record. */
async function refuseRequest({ id, functionId, eventId }: RunRecord, deps: AdminDeps): Promise<void> {
  if (!findFunction(deps, functionId).web) return
  const event = await deps.store.event(eventId)
  if (!event?.envelope.source.startsWith('/http/')) return
  const message = `${id} was a request, and its body is not kept: invoke ${functionId} with data instead`
  throw new TappetError('TPT_CONFLICT', message)
}

/**
 * @throws TappetError TPT_CONFLICT when it is neither dead nor cancelled, or was a request, TPT_FUNCTION_NOT_FOUND when its
 *   code is gone.
 */
export async function replayRun(run: RunRecord, deps: AdminDeps): Promise<void> {
  await refuseRequest(run, deps)
  const jobs = await deps.store.replay(run.id)
  if (jobs) return deps.enqueue(jobs)
  const { state } = (await deps.store.run(run.id)) ?? run
  const message = `only dead and cancelled runs can be replayed as they are; ${run.id} is ${state}: replay it with edited data`
  throw new TappetError('TPT_CONFLICT', message)
}

async function replayEdited(run: RunRecord, data: unknown, deps: AdminDeps): Promise<object> {
  await refuseRequest(run, deps)
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

async function cancel(id: string | undefined, { store }: AdminDeps): Promise<object> {
  const run = await findRun(id, store)
  if (await store.cancel(run.id)) return { run: run.id, state: 'cancelled' }
  const { state } = (await store.run(run.id)) ?? run
  throw new TappetError('TPT_CONFLICT', `only runs that are not over can be cancelled; ${run.id} is ${state}`)
}

async function findRun(id = '', store: Pick<Store, 'run'>): Promise<RunRecord> {
  const run = id.length > 100 || id.includes('\u0000') ? null : await store.run(id)
  if (run) return run
  throw new TappetError('TPT_NOT_FOUND', `there is no run ${JSON.stringify(id.slice(0, 100))}`)
}
