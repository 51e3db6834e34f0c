import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createSlots } from '../../src/lib/slots.ts'
import { createMemoryQueue } from '../../src/queue/memory.ts'
import type { Job } from '../../src/queue/queue.ts'
import { createServing } from '../../src/worker/serving.ts'
import { eventually } from '../support/eventually.ts'
import { makeFunction } from '../support/make.ts'

const job = (n: number): Job => ({ runId: `run_${n}`, functionId: 'orders/place', lease: 0 })

/** Attempts that last until they are let go. */
function makeWork() {
  const under = new Map<string, () => void>()
  let most = 0
  return {
    under,
    most: () => most,
    work: (_fn: unknown, { runId }: Job): Promise<void> =>
      new Promise((resolve) => {
        under.set(runId, () => {
          under.delete(runId)
          resolve()
        })
        most = Math.max(most, under.size)
      }),
  }
}

describe('slots', () => {
  it('are given in the order in which they were asked for, and not past those who wait', async () => {
    const slots = createSlots(1)
    const order: number[] = []
    await slots.take()
    const waiting = [1, 2, 3].map((n) => slots.take().then(() => order.push(n)))
    assert.equal(slots.tryTake(), false)
    for (const one of waiting) {
      slots.give()
      await one
    }
    slots.give()
    assert.deepEqual(order, [1, 2, 3])
    assert.equal(slots.tryTake(), true)
  })

  it('are waited for as long as one is told to, in the same line as everybody', async () => {
    const slots = createSlots(1)
    assert.equal(slots.takeWithin(1_000), true)
    const order: string[] = []
    const first = Promise.resolve(slots.takeWithin(60_000)).then((was) => was && order.push('first'))
    const second = slots.take().then(() => order.push('second'))
    assert.equal(await slots.takeWithin(5), false)
    slots.give()
    await first
    slots.give()
    await second
    assert.deepEqual(order, ['first', 'second'])
    slots.give()
    assert.deepEqual([slots.tryTake(), slots.tryTake()], [true, false], 'who gave up has left no hole')
  })

  it('are not waited for when they have lately been taken for longer than that', async () => {
    let at = 0
    const slots = createSlots(1, () => at)
    const occupy = (ms: number): void => {
      assert.equal(slots.tryTake(), true)
      at += ms
      slots.give()
    }
    for (let i = 0; i < 20; i++) occupy(100)
    assert.equal(slots.tryTake(), true)
    assert.equal(slots.takeWithin(50), false)
    const waiting = slots.takeWithin(500)
    assert.ok(waiting instanceof Promise)
    slots.give()
    assert.equal(await waiting, true)
    slots.give()
    for (let i = 0; i < 20; i++) occupy(1)
    assert.equal(slots.tryTake(), true)
    assert.ok(slots.takeWithin(50) instanceof Promise, 'it is quick again')
    slots.give()
  })
})

describe('a place for a run that does not come over the queue', () => {
  const serve = async (concurrency: number, limit: number | null = null) => {
    const queue = createMemoryQueue()
    const work = makeWork()
    const serving = createServing({ queue, concurrency, work: work.work })
    await serving.serve([makeFunction({ concurrency: limit })])
    const close = async (): Promise<void> => {
      const stopped = serving.stop()
      for (const end of work.under.values()) end()
      await stopped
      await queue.close()
    }
    /** As the worker does with a place that it gets. */
    const offer = ({ runId, functionId, lease }: Job): boolean => {
      const place = serving.reserve(functionId)
      if (place) void work.work(place.fn, { runId, functionId, lease }).then(place.give)
      return place !== null
    }
    return { queue, serving, work, offer, close }
  }

  it('is taken while there is a place, and never beyond what the process may do at once', async () => {
    const { queue, work, offer, close } = await serve(2)
    await queue.add([job(1)])
    await eventually(() => work.under.size === 1, 'the queued job runs')
    assert.deepEqual(
      [2, 3, 4].map((n) => offer(job(n))),
      [true, false, false],
    )
    await queue.add([job(5), job(6)])
    await eventually(async () => (await queue.counts('orders/place')).active >= 2, 'the queue hands on')
    for (const runId of ['run_1', 'run_2', 'run_5', 'run_6']) {
      const end = await eventually(() => work.under.get(runId), `${runId} runs`)
      end()
    }
    assert.equal(work.most(), 2)
    await close()
  })

  it('is left to the queue when the function has a limit over all processes, or is not served here', async () => {
    const { offer, close } = await serve(5, 3)
    assert.equal(offer(job(1)), false)
    assert.equal(offer({ ...job(1), functionId: 'elsewhere' }), false)
    await close()
  })

  it('is waited for when the worker stops, and not taken any more', async () => {
    const { serving, work, offer, close } = await serve(5)
    assert.equal(offer(job(1)), true)
    let stopped = false
    const stopping = serving.stop().then(() => (stopped = true))
    assert.equal(offer(job(2)), false)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(stopped, false)
    work.under.get('run_1')?.()
    await stopping
    await close()
  })

  it('that was waited for is not taken when the worker stops meanwhile', async () => {
    const { serving, close } = await serve(1)
    const first = serving.reserve('orders/place')
    const second = serving.reserveSoon('orders/place')
    assert.ok(second instanceof Promise)
    const stopping = serving.stop()
    first?.give()
    assert.equal(await second, null)
    await stopping
    await close()
  })

  it('is free again however often it is given back', async () => {
    const { serving, close } = await serve(1)
    const first = serving.reserve('orders/place')
    assert.equal(serving.reserve('orders/place'), null)
    first?.give()
    first?.give()
    const second = serving.reserve('orders/place')
    assert.ok(second)
    first?.give()
    assert.equal(serving.reserve('orders/place'), null, 'one place, which the second has')
    second.give()
    await close()
  })
})
