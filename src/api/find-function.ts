import { TappetError } from '../errors.ts'
import { nearest } from '../lib/nearest.ts'
import type { LoadedFunction } from '../runtime/runtime.ts'
import type { Subscription } from '../triggers/trigger.ts'
import type { AdminDeps } from './deps.ts'

/** A function as the API shows it: without paths of this machine. */
export type ListedFunction = Omit<LoadedFunction, 'bundle' | 'hasEnvSchema'>

export function withoutBundle(fn: LoadedFunction): ListedFunction {
  const { id, file, version, triggers, retry, timeoutMs, concurrency, env, secrets, database } = fn
  const { hasIdempotencyKey, hasOrderingKey } = fn
  const { instanceConcurrency, maxInstances, provisioned, memoryMb, maxProcesses } = fn
  return {
    id,
    file,
    version,
    triggers,
    retry,
    timeoutMs,
    concurrency,
    ...{ instanceConcurrency, maxInstances, provisioned, memoryMb, maxProcesses },
    env,
    secrets,
    database,
    hasIdempotencyKey,
    hasOrderingKey,
  }
}

/** @throws TappetError TPT_FUNCTION_NOT_FOUND, with the name that was probably meant. */
export function findFunction({ catalog }: AdminDeps, id: string): LoadedFunction {
  const { functions } = catalog()
  const found = functions.find((fn) => fn.id === id)
  if (found) return found
  const ids = functions.map((fn) => fn.id)
  const near = nearest(id, ids) ?? onlyOneWith(id, ids)
  const suggestion = near === null ? '' : `; did you mean ${near}?`
  throw new TappetError(
    'TPT_FUNCTION_NOT_FOUND',
    `there is no function ${JSON.stringify(id.slice(0, 200))}${suggestion}`,
  )
}

/** `orders/place` for `place`, if no other function's name contains it. */
function onlyOneWith(part: string, ids: readonly string[]): string | null {
  const containing = part.length < 3 ? [] : ids.filter((id) => id.includes(part))
  return containing.length === 1 ? (containing[0] ?? null) : null
}

/** @throws TappetError TPT_CONFLICT when the function has no such trigger any more. */
export function subscriptionOf(fn: LoadedFunction, index: number): Subscription {
  const trigger = fn.triggers[index]
  if (trigger) return { functionId: fn.id, index, trigger }
  throw new TappetError(
    'TPT_CONFLICT',
    `${fn.id} has ${fn.triggers.length} triggers now, and no trigger ${index}`,
  )
}
