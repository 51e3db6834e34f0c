import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Counted, createCensus } from '../../src/queue/census.ts'
import { eventually } from '../support/eventually.ts'

const NOTHING: Counted = { waiting: false, active: false }
const FULL: Counted = { waiting: true, active: false }

describe('the census of queues', () => {
  it('tells those that have something, again and again, and nobody else', async () => {
    const told: string[] = []
    const asked: (readonly string[])[] = []
    const ask = async (names: readonly string[]) => {
      asked.push(names)
      return names.map((name) => (name === 'full' ? FULL : NOTHING))
    }
    const census = createCensus(ask, 2)
    const full = census.join('full', (counted) => {
      assert.deepEqual(counted, FULL)
      told.push('full')
    })
    census.join('empty', () => told.push('empty'))
    await eventually(() => told.length >= 3, 'told three times')
    full.leave()
    const questions = asked.length
    await eventually(() => asked.length > questions + 2, 'it goes on')
    assert.deepEqual(asked[0], ['full', 'empty'])
    assert.deepEqual(asked.at(-1), ['empty'])
    assert.ok(!told.includes('empty'))
    census.close()
  })

  it('tells all who share a queue, and asks nothing for nobody', async () => {
    let [asked, first, second] = [0, 0, 0]
    const ask = async (names: readonly string[]) => {
      asked++
      return names.map(() => FULL)
    }
    const census = createCensus(ask, 2)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(asked, 0)
    const one = census.join('q', () => first++)
    census.join('q', () => second++)
    await eventually(() => first > 0 && second > 0, 'both are told')
    one.leave()
    one.leave()
    const before = second
    await eventually(() => second > before, 'the other one still is')
    census.close()
  })

  it('asks again after a failure', async () => {
    let fails = 3
    let told = 0
    const ask = async (names: readonly string[]) => {
      if (fails-- > 0) throw new Error('away')
      return names.map(() => FULL)
    }
    const census = createCensus(ask, 2)
    census.join('q', () => told++)
    await eventually(() => told > 0, 'told in the end')
    census.close()
  })
})
