import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createBatcher } from '../../src/lib/batch.ts'
import { type Duration, formatMs, toMs } from '../../src/lib/duration.ts'
import { newId } from '../../src/lib/id.ts'
import { pause, startLoop, withDeadline } from '../../src/lib/service.ts'
import { isFinal, mayMove, RUN_STATES } from '../../src/store/run-state.ts'
import { eventually } from '../support/eventually.ts'

describe('durations', () => {
  it('are read with their unit', () => {
    const known: readonly [Duration, number][] = [
      ['500ms', 500],
      ['10s', 10_000],
      ['1.5m', 90_000],
      ['2h', 7_200_000],
      ['1d', 86_400_000],
    ]
    for (const [text, ms] of known) assert.equal(toMs(text), ms)
  })

  it('are refused with what was expected and what came', () => {
    for (const text of ['30 sec', '', '-1s', '10', 's', '1e3s', 'Infinitys']) {
      assert.throws(() => toMs(text as Duration), {
        message: `must be like '30s', got ${JSON.stringify(text)}`,
      })
    }
  })

  it('are shown as people read them', () => {
    assert.deepEqual([84, 1_300, 252_000, 7_500_000].map(formatMs), ['84 ms', '1.3 s', '4m 12s', '2h 5m'])
  })
})

describe('ids', () => {
  it('sort as they were made, and never repeat', () => {
    const ids = Array.from({ length: 10_000 }, () => newId('run'))
    assert.deepEqual(ids.toSorted(), ids)
    assert.equal(new Set(ids).size, ids.length)
    assert.match(ids[0] ?? '', /^run_[0-9A-HJKMNP-TV-Z]{26}$/)
  })

  it('of one millisecond do not give each other away', () => {
    const nowMs = Date.now()
    const ids = Array.from({ length: 1_000 }, () => newId('run', nowMs))
    assert.deepEqual(ids.toSorted(), ids)
    const digit = (char: string): number => '0123456789ABCDEFGHJKMNPQRSTVWXYZ'.indexOf(char)
    const tails = ids.map((id) =>
      id
        .slice(-10)
        .split('')
        .reduce((sum, char) => sum * 32 + digit(char), 0),
    )
    const near = tails.filter((tail, i) => Math.abs(tail - (tails[i - 1] ?? Infinity)) < 1_000)
    assert.deepEqual(near, [])
  })

  it('go on when the clock is set back', () => {
    const [first, second] = [newId('run', Date.now() + 5_000), newId('run', Date.now())]
    assert.ok((second ?? '') > (first ?? ''))
  })
})

describe('run states', () => {
  it('leave a final state only by a replay, or by being discarded', () => {
    const next = { completed: [], dead: ['queued', 'cancelled'], cancelled: ['queued'] }
    for (const from of RUN_STATES.filter(isFinal)) {
      const to = RUN_STATES.filter((state) => mayMove(from, state))
      assert.deepEqual(to, next[from as keyof typeof next])
    }
  })

  it('can all be reached from accepted', () => {
    const reached = new Set(['accepted'])
    for (const from of reached)
      for (const to of RUN_STATES) if (mayMove(from as 'accepted', to)) reached.add(to)
    assert.deepEqual([...reached].toSorted(), RUN_STATES.toSorted())
  })
})

describe('batches', () => {
  it('answer each item with its own result, in fewer rounds than items', async () => {
    let rounds = 0
    const batcher = createBatcher<number, number>({
      maxItems: 50,
      flush: async (items) => {
        rounds++
        return items.map((item) => item * 2)
      },
    })
    const results = await Promise.all(Array.from({ length: 120 }, (_, i) => batcher.add(i)))
    assert.deepEqual(
      results,
      Array.from({ length: 120 }, (_, i) => i * 2),
    )
    assert.equal(rounds, 3)
    await batcher.settled()
  })

  it('let a bad item fail alone when told to', async () => {
    const flush = async (items: readonly number[]): Promise<number[]> => {
      if (items.includes(3)) throw new Error('three')
      return [...items]
    }
    const batcher = createBatcher({ maxItems: 10, flush, retryAlone: () => true })
    const results = await Promise.allSettled([1, 2, 3, 4].map((n) => batcher.add(n)))
    assert.deepEqual(
      results.map(({ status }) => status[0]),
      ['f', 'f', 'r', 'f'],
    )
  })

  it('lose and mix up nothing, whatever the interleaving', async () => {
    const property = fc.asyncProperty(
      fc.scheduler(),
      fc.integer({ min: 1, max: 4 }),
      async (scheduler, parallel) => {
        const flush = scheduler.scheduleFunction(async (items: readonly number[]) => [...items])
        const batcher = createBatcher({ maxItems: 3, parallel, flush })
        const all = Promise.all(Array.from({ length: 10 }, (_, i) => batcher.add(i)))
        await new Promise((resolve) => setImmediate(resolve))
        await scheduler.waitFor(all)
        assert.deepEqual(
          await all,
          Array.from({ length: 10 }, (_, i) => i),
        )
      },
    )
    await fc.assert(property, { seed: 3, numRuns: 50 })
  })
})

describe('services', () => {
  it('withDeadline rejects in time, and lets good work through', async () => {
    assert.equal(await withDeadline(Promise.resolve(1), 1_000, () => new Error('late')), 1)
    await assert.rejects(
      withDeadline(new Promise(() => undefined), 5, () => new Error('late')),
      /late/,
    )
  })

  it('pause ends at once when it is aborted', async () => {
    const controller = new AbortController()
    const paused = pause(60_000, controller.signal)
    controller.abort()
    await paused
    await pause(60_000, controller.signal)
  })

  it('a loop goes on after an error, runs when woken, and never twice at once', async () => {
    let [running, most, runs, errors] = [0, 0, 0, 0]
    const body = async (): Promise<void> => {
      most = Math.max(most, ++running)
      runs++
      await new Promise((resolve) => setImmediate(resolve))
      running--
      if (runs === 1) throw new Error('first')
    }
    const loop = startLoop(body, { everyMs: 60_000, onError: () => errors++ })
    await eventually(() => runs === 1 && running === 0, 'the first run')
    loop.wake()
    loop.wake()
    await eventually(() => runs >= 2 && running === 0, 'the run after waking')
    await loop.stop()
    const after = runs
    loop.wake()
    assert.deepEqual([most, errors, runs], [1, 1, after])
  })
})
