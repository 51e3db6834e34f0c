import * as z from 'zod'

import { TappetError } from '../errors.ts'
import type { AdminDeps } from './deps.ts'
import { findFunction, subscriptionOf } from './functions.ts'
import { durationUpTo, readJson } from './input.ts'
import { invocationEvent } from './invoke-event.ts'
import type { HttpReply, HttpRequest } from './server.ts'

const Invocation = z.strictObject({
  data: z.unknown().optional(),
  /** Shorter than the time after which the server drops a connection on which nothing moves. */
  wait: durationUpTo('5m').optional(),
})

/**
 * `POST …/functions/<id>/invoke`: 202 with the run's id, or its end when the caller waits for it. A run that failed is
 * an answer like any other, 200 with its failure.
 */
export async function invoke(request: HttpRequest, reply: HttpReply, deps: AdminDeps): Promise<HttpReply> {
  const { '*': path } = request.params as { readonly '*': string }
  const id = /^(.+)\/invoke$/.exec(path)?.[1]
  if (id === undefined) {
    throw new TappetError(
      'TPT_ROUTE_NOT_FOUND',
      `expected functions/<id>/invoke, got functions/${path.slice(0, 200)}`,
    )
  }
  const fn = findFunction(deps, id)
  const { data, wait } = await readJson(request, Invocation)
  const event = invocationEvent(fn.id, fn.triggers[0], data)
  const { eventId, runIds, duplicate } = await deps.emit(event, [subscriptionOf(fn, 0)])
  const [run] = runIds
  const accepted = { run, event: eventId, status: `/_tappet/runs/${run}`, duplicate }
  const end = wait === undefined || run === undefined ? null : await deps.awaitRun(run, wait, { duplicate })
  if (end === null) return reply.code(202).send({ ...accepted, state: 'accepted' })
  const { state, result, failure } = end
  return reply.code(200).send({ ...accepted, state, result, failure })
}
