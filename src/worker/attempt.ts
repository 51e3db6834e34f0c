import { explain, type ErrorCode, TappetError, toFailure } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import { pause } from '../lib/service.ts'
import type { Job } from '../queue/queue.ts'
import type { FunctionRuntime, LoadedFunction, Meter, Settled } from '../runtime/runtime.ts'
import type { Claim, Finish, Metered, Outcome, Store } from '../store/store.ts'
import { NO_TRACING, type Tracing } from '../tracing/tracing.ts'
import type { Hold } from './leases.ts'
import { decide } from './retry.ts'

export interface AttemptDeps {
  readonly store: Store
  readonly runtime: FunctionRuntime
  readonly workerId: string
  readonly logger: Logger
  /** Notes that this worker holds the lease. */
  readonly hold: (claim: Claim) => Hold
  readonly random: () => number
  /** Default none. */
  readonly tracing?: Tracing
}

/** What the worker does about an attempt that is over: nothing, look for it when it is due, or queue it again. */
export type Aftermath =
  | { readonly kind: 'none' }
  | { readonly kind: 'due'; readonly inMs: number }
  | { readonly kind: 'again'; readonly job: Job }

/** One try at one run: take the lease, run the function, decide, write it down. */
export async function runAttempt(fn: LoadedFunction, job: Job, deps: AttemptDeps): Promise<Aftermath> {
  const claim = await deps.store.claim(job, deps.workerId)
  return claim ? runClaim(fn, claim, deps) : { kind: 'none' }
}

/** The same with a lease that is ours already. */
export async function runClaim(fn: LoadedFunction, claim: Claim, deps: AttemptDeps): Promise<Aftermath> {
  const held = deps.hold(claim)
  const started = performance.now()
  try {
    const { settled, meter } = await runWithDeadline(fn, claim, held, deps)
    const outcome = decide(settled, claim, fn.retry, deps.random())
    const { runId, functionId, lease, attempt, order } = claim
    const durationMs = performance.now() - started
    const finish = {
      runId,
      functionId,
      lease,
      attempt,
      order,
      outcome,
      version: fn.version,
      durationMs,
      meter,
    }
    const ended = await writeDown(finish, held, deps)
    tell(deps.logger, claim, outcome, durationMs, ended)
    return ended ? aftermath(claim, outcome) : { kind: 'none' }
  } finally {
    held.release()
  }
}

/** The timeout is the function's own: what the attempt waits for a place does not count. */
async function runWithDeadline(
  fn: LoadedFunction,
  claim: Claim,
  { signal, abort }: Hold,
  { runtime, tracing = NO_TRACING }: AttemptDeps,
): Promise<{ readonly settled: Settled; readonly meter: Metered | null }> {
  let timer: NodeJS.Timeout | undefined
  let meter: Metered | null = null
  const onStart = (): void => {
    timer = setTimeout(() => abort(tooLate(fn)), fn.timeoutMs)
  }
  const onMeter = (taken: Meter): void => {
    meter = { ...taken, memoryMb: fn.memoryMb }
  }
  const { runId, attempt, maxAttempts, event, trigger, losses } = claim
  try {
    const settled = await tracing.run({ functionId: fn.id, runId, attempt, event }, (trace) => {
      const invocation = { runId, attempt, maxAttempts, event, trigger, alone: losses > 0, trace }
      return runtime.run(fn, invocation, signal, onStart, onMeter)
    })
    return { settled, meter }
  } catch (error) {
    // The port says that it never rejects: a bug of ours must not cost the author an attempt.
    return { settled: { ok: false, lost: true, failure: toFailure(error) }, meter }
  } finally {
    clearTimeout(timer)
  }
}

function tooLate({ id, timeoutMs }: LoadedFunction): TappetError {
  return new TappetError('TPT_TIMEOUT', `${id}: no result within its timeout of ${timeoutMs} ms`)
}

const RETRY_WRITE_MS = 250

/**
 * The outcome is written down as soon as the ledger answers, however long that takes; only a lost lease, which the
 * ledger would refuse, ends the waiting.
 */
async function writeDown(finish: Finish, { isOver }: Hold, { store, logger }: AttemptDeps): Promise<boolean> {
  let told: string | null = null
  for (let outcome = finish.outcome; ;) {
    try {
      return await store.finish({ ...finish, outcome })
    } catch (error) {
      if (isCodeOf(error, 'TPT_RESULT_INVALID')) {
        if (outcome.kind !== 'completed') throw error
        outcome = { kind: 'dead', failure: toFailure(error) }
        continue
      }
      if (isOver()) return false
      // Whatever else it is, it is no reason to undo what the function has done.
      const level = isCodeOf(error, 'TPT_UNAVAILABLE') ? 'debug' : 'warn'
      if (told !== String(error))
        logger[level]({ run: finish.runId, error: explain(error) }, 'waiting to write an outcome down')
      told = String(error)
      await pause(RETRY_WRITE_MS)
    }
  }
}

function isCodeOf(error: unknown, code: ErrorCode): boolean {
  return error instanceof TappetError && error.code === code
}

function aftermath({ runId, functionId, lease }: Claim, outcome: Outcome): Aftermath {
  if (outcome.kind === 'retry') return { kind: 'due', inMs: outcome.delayMs }
  if (outcome.kind === 'released') return { kind: 'again', job: { runId, functionId, lease, first: true } }
  return { kind: 'none' }
}

function tell(logger: Logger, claim: Claim, outcome: Outcome, durationMs: number, ended: boolean): void {
  const fields = {
    run: claim.runId,
    function: claim.functionId,
    attempt: `${claim.attempt}/${claim.maxAttempts}`,
    ms: Math.round(durationMs),
    ...('failure' in outcome && {
      error: outcome.failure.message,
      code: outcome.failure.code ?? undefined,
    }),
    ...(outcome.kind === 'retry' && { retryInMs: outcome.delayMs }),
  }
  if (!ended) return logger.warn(fields, 'run finished, but its lease was gone: another worker has it')
  if (outcome.kind === 'completed') return logger.info(fields, 'run completed')
  if (outcome.kind === 'dead') return logger.error(fields, 'run is dead')
  logger.warn(fields, outcome.kind === 'retry' ? 'attempt failed' : 'run given back')
}
