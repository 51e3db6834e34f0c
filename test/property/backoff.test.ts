import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { toFailure } from '../../src/errors.ts'
import type { ResolvedRetry } from '../../src/runtime/runtime.ts'
import { backoffMs, decide } from '../../src/worker/retry.ts'
import { makeEnvelope } from '../support/make.ts'
import { propertyRuns } from '../support/property.ts'

const dice = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const policy: fc.Arbitrary<ResolvedRetry> = fc.record({
  attempts: fc.integer({ min: 1, max: 1_000 }),
  delayMs: fc.nat(86_400_000),
  factor: fc.double({ min: 1, max: 100, noNaN: true }),
  maxDelayMs: fc.nat(365 * 86_400_000),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
})

test('a wait is whole, within the cap and the jitter, and without jitter never shorter than the one before', () => {
  const property = fc.property(
    policy,
    fc.integer({ min: 1, max: 10_000 }),
    dice,
    (retry, attempt, random) => {
      const ms = backoffMs(attempt, retry, random)
      const grown = retry.delayMs === 0 ? 0 : retry.delayMs * retry.factor ** (attempt - 1)
      const full = Math.min(grown, retry.maxDelayMs)
      assert.ok(Number.isSafeInteger(ms) && ms >= 0, `${ms} ms`)
      assert.ok(ms <= Math.ceil(full) && ms >= Math.floor(full * (1 - retry.jitter)), `${ms} of ${full} ms`)
      const plain = { ...retry, jitter: 0 }
      assert.ok(backoffMs(attempt + 1, plain, random) >= backoffMs(attempt, plain, random))
    },
  )
  fc.assert(property, propertyRuns())
})

test('G2: a run that always fails is tried exactly as often as its policy says', () => {
  const property = fc.property(policy, dice, (retry, random) => {
    const failure = toFailure(new Error('boom'))
    for (let attempt = 1; ; attempt++) {
      const claim = {
        ...{ runId: 'run_1', functionId: 'f', lease: attempt, attempt, maxAttempts: retry.attempts },
        ...{ trigger: 0, losses: 0, crashes: 0, order: null, event: makeEnvelope() },
      }
      const outcome = decide({ ok: false, lost: false, failure }, claim, retry, random)
      if (outcome.kind === 'dead') return attempt === retry.attempts
      assert.equal(outcome.kind, 'retry')
    }
  })
  fc.assert(property, propertyRuns(0.2))
})
