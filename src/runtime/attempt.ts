import { type Failure, toFailure } from '../errors.ts'
import type { Ending } from './ending.ts'
import { decodeJson, encodeJson, FRAME } from './frames.ts'
import type { Call, Instance } from './instance.ts'
import { meterOf } from './meter.ts'
import type { Invocation, Meter, Settled } from './runtime.ts'

/** How long a function may take to honour its signal. */
export const ABORT_GRACE_MS = 1_000
/** An event loop that does not come round within this time is stuck. */
const PING_MS = 250

/** One attempt in an instance. What comes after the abort, or does not come, is the abort's doing. */
export async function attempt(
  instance: Instance,
  invocation: Invocation,
  signal: AbortSignal,
  onMeter?: (meter: Meter) => void,
): Promise<Settled> {
  const { event, runId, attempt: number, maxAttempts, trigger, trace } = invocation
  const bytes = encodeJson(event)
  const startedAt = performance.now()
  const call = instance.call(FRAME.invoke, { runId, attempt: number, maxAttempts, trigger, trace }, bytes)
  const ending = await endOf(call, instance, signal)
  const durationMs = performance.now() - startedAt
  onMeter?.(meterOf(ending, { durationMs, cold: call.cold, bytesIn: bytes.length }))
  return settle(ending, instance, signal)
}

/** When the signal aborts, so does the function's; a second later its process is killed. */
export async function endOf(call: Call, instance: Instance, signal: AbortSignal): Promise<Ending> {
  let grace: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    call.cancel(toFailure(signal.reason))
    // In a process that does nothing more, any of the calls may be to blame: each is tried again by itself.
    instance.check(PING_MS)
    grace = setTimeout(() => void instance.kill('timeout'), ABORT_GRACE_MS)
  }
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  const ending = await call.ended
  clearTimeout(grace)
  signal.removeEventListener('abort', onAbort)
  return ending
}

/** When all that it has logged is written. */
export async function settle(ending: Ending, instance: Instance, signal: AbortSignal): Promise<Settled> {
  await instance.log.settled()
  return signal.aborted && ending.kind !== 'blocked' ? aborted(signal) : settledOf(ending, instance)
}

async function settledOf(ending: Ending, { stacks, mask }: Instance): Promise<Settled> {
  if (ending.kind === 'answered' && ending.ok) return { ok: true, result: decodeJson(ending.payload) }
  const lost = ending.kind === 'lost' || ending.kind === 'blocked'
  const failure = ending.kind === 'answered' ? (decodeJson(ending.payload) as Failure) : ending.failure
  return { ok: false, lost, failure: mask.json(await stacks.failure(failure)) }
}

export function aborted(signal: AbortSignal): Settled {
  return { ok: false, lost: false, failure: toFailure(signal.reason) }
}
