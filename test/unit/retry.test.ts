import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Failure, FatalError, RetryAfterError, TappetError, toFailure } from '../../src/errors.ts'
import type { Claim } from '../../src/store/store.ts'
import { backoffMs, decide, MAX_LOSSES } from '../../src/worker/retry.ts'
import { makeEnvelope } from '../support/make.ts'

const retry = { attempts: 3, delayMs: 1_000, factor: 2, maxDelayMs: 10_000, jitter: 0.2 }
const claim = (more: Partial<Claim> = {}): Claim => ({
  ...{
    runId: 'run_1',
    functionId: 'f',
    lease: 1,
    attempt: 1,
    maxAttempts: 3,
    trigger: 0,
    losses: 0,
    crashes: 0,
  },
  order: null,
  event: makeEnvelope(),
  ...more,
})
const failed = (failure: Failure, lost = false) => ({ ok: false as const, failure, lost })

describe('decide', () => {
  it('completes with the result', () => {
    assert.deepEqual(decide({ ok: true, result: 7 }, claim(), retry, 0), { kind: 'completed', result: 7 })
  })

  it('retries until the attempts are used up', () => {
    const settled = failed(toFailure(new Error('boom')))
    assert.equal(decide(settled, claim({ attempt: 2 }), retry, 0).kind, 'retry')
    assert.equal(decide(settled, claim({ attempt: 3 }), retry, 0).kind, 'dead')
  })

  it('does not retry a FatalError', () => {
    assert.equal(decide(failed(toFailure(new FatalError('no'))), claim(), retry, 0).kind, 'dead')
  })

  it('waits as long as a RetryAfterError says', () => {
    const outcome = decide(failed(toFailure(new RetryAfterError('busy', '1m'))), claim(), retry, 0.5)
    assert.equal(outcome.kind === 'retry' && outcome.delayMs, 60_000)
  })

  it('gives back, without using an attempt, what ended for another reason', () => {
    const lost = failed(toFailure(new TappetError('TPT_INSTANCE_LOST', 'a sibling crashed')), true)
    assert.equal(decide(lost, claim({ attempt: 3 }), retry, 0).kind, 'released')
    const shutdown = failed(toFailure(new TappetError('TPT_SHUTDOWN', 'stop')))
    assert.equal(decide(shutdown, claim({ attempt: 3, losses: 99 }), retry, 0).kind, 'released')
  })

  it('G10: gives up on a run that has ended its process three times by itself, whatever its policy', () => {
    const crashed = failed(toFailure(new TappetError('TPT_FUNCTION_CRASHED', 'died of SIGSEGV')))
    const kind = (crashes: number): string =>
      decide(crashed, claim({ crashes, maxAttempts: 100 }), retry, 0).kind
    assert.deepEqual([0, 1, 2].map(kind), ['retry', 'retry', 'dead'])
  })

  it('gives up on a run under which its process is lost too often', () => {
    const lost = failed(toFailure(new Error('gone')), true)
    const outcome = decide(lost, claim({ losses: MAX_LOSSES - 1 }), retry, 0)
    assert.equal(outcome.kind === 'dead' && outcome.failure.code, 'TPT_RUN_LOST_TOO_OFTEN')
  })
})

describe('backoffMs', () => {
  it('grows by the factor, never beyond the cap, and loses at most its jitter', () => {
    const attempts = fc.integer({ min: 1, max: 200 })
    const dice = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(attempts, dice, (attempt, random) => {
        const full = Math.min(1_000 * 2 ** (attempt - 1), 10_000)
        const ms = backoffMs(attempt, retry, random)
        return ms <= full && ms >= Math.floor(full * 0.8)
      }),
      { seed: 1 },
    )
  })
})
