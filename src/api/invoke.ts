import * as z from 'zod'

import type { AdminDeps } from './deps.ts'
import { findFunction, subscriptionOf } from './find-function.ts'
import { durationUpTo } from './input.ts'
import { invocationEvent } from './invoke-event.ts'
import type { Call } from './route.ts'

export const Invocation = z.strictObject({
  data: z.unknown().optional(),
  /** Shorter than the time after which the server drops a connection on which nothing moves. */
  wait: durationUpTo('5m').optional(),
})

/**
 * 202 with the run's id, or 200 with its end when the caller waits for it. A run that failed is an answer like any
 * other, 200 with its failure.
 */
export async function invoke(
  { params, body: { data, wait }, reply }: Call<unknown, z.output<typeof Invocation>>,
  deps: AdminDeps,
): Promise<object> {
  const fn = findFunction(deps, params.id ?? '')
  const event = invocationEvent(fn.id, fn.triggers[0], data)
  const { eventId, runIds, duplicate } = await deps.emit(event, [subscriptionOf(fn, 0)])
  const [run] = runIds
  const accepted = { run, event: eventId, status: `/_tappet/runs/${run}`, duplicate }
  const end = wait === undefined || run === undefined ? null : await deps.awaitRun(run, wait, { duplicate })
  if (end === null) return { ...accepted, state: 'accepted' }
  void reply.code(200)
  const { state, result, failure } = end
  return { ...accepted, state, result, failure }
}
