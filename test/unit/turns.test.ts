import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createBatcher } from '../../src/lib/batch.ts'
import { createTurns } from '../../src/lib/turns.ts'

describe('turns', () => {
  it('lets what shares a thing pass in the order in which it came, whatever takes how long', async () => {
    const items = fc.array(fc.subarray(['a', 'b', 'c'], { minLength: 1 }), { maxLength: 8 })
    const property = fc.asyncProperty(fc.scheduler(), items, async (scheduler, all) => {
      const passed: number[] = []
      const turns = createTurns()
      const work = all.map((things, i) =>
        turns.take(things, scheduler.schedule(Promise.resolve(i)), async (n) => {
          passed.push(n)
          await scheduler.schedule(Promise.resolve())
        }),
      )
      await scheduler.waitFor(Promise.all(work))
      for (const thing of ['a', 'b', 'c']) {
        const own = passed.filter((n) => all[n]?.includes(thing))
        assert.deepEqual(
          own,
          own.toSorted((a, b) => a - b),
        )
      }
      assert.equal(passed.length, all.length)
    })
    await fc.assert(property, { seed: 3, numRuns: 300 })
  })

  it('lets nothing overtake what failed, until all that was behind it has failed, too', async () => {
    const turns = createTurns()
    const passed: string[] = []
    const pass = async (name: string): Promise<void> => void passed.push(name)
    const bad = turns.take(['a', 'b'], Promise.reject<string>(new Error('no')), pass)
    const behind = turns.take(['b'], Promise.resolve('behind'), pass)
    const beside = turns.take(['c'], Promise.resolve('beside'), pass)
    await assert.rejects(bad, /no/)
    await assert.rejects(behind, { code: 'TPT_UNAVAILABLE' })
    await beside
    await turns.take(['a', 'b'], Promise.resolve('again'), pass)
    assert.deepEqual(passed, ['beside', 'again'])
  })

  it('fail together in batches, where that is asked for', async () => {
    const flush = async ([first]: readonly number[]): Promise<number[]> => {
      if (first === 1) throw new Error('no')
      return [first ?? 0]
    }
    const batcher = createBatcher({ maxItems: 1, flush, failTogether: true })
    const results = await Promise.allSettled([1, 2, 3].map((n) => batcher.add(n)))
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected', 'rejected'],
    )
    assert.equal(await batcher.add(4), 4)
  })
})
