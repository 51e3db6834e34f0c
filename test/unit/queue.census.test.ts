import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Counted, createCensus } from '../../src/queue/census.ts'
import { eventually } from '../support/eventually.ts'

const NOTHING: Counted = { waiting: false, active: false }

describe('the census of queues', () => {
  it('tells those whose jobs wait, again and again, and nobody else', async () => {
    const told: string[] = []
    const census = createCensus(
      async (names) => names.map((name) => ({ ...NOTHING, waiting: name === 'full' })),
      { everyMs: 5, freshMs: 0 },
    )
    const full = census.join('full', () => told.push('full'))
    census.join('empty', () => told.push('empty'))
    await eventually(() => told.length >= 3, 'told three times')
    full.leave()
    const before = told.length
    await new Promise((resolve) => setTimeout(resolve, 30))
    assert.ok(told.length <= before + 1, 'at most what was under way')
    assert.ok(!told.includes('empty'))
    census.close()
  })

  it('asks once for all who want to know at about the same time', async () => {
    const asked: (readonly string[])[] = []
    const census = createCensus(async (names) => {
      asked.push(names)
      return names.map((name) => ({ ...NOTHING, active: name === 'b' }))
    })
    for (const name of ['a', 'b', 'c']) census.join(name, () => undefined)
    const active = await Promise.all(['a', 'b', 'c', 'a'].map((name) => census.isActive(name)))
    assert.deepEqual(active, [false, true, false, false])
    assert.deepEqual(asked, [['a', 'b', 'c']])
    census.close()
  })

  it('takes a queue that it has not asked for yet for active', async () => {
    const census = createCensus(async (names) => names.map(() => NOTHING))
    census.join('a', () => undefined)
    assert.equal(await census.isActive('a'), false)
    census.join('b', () => undefined)
    assert.equal(await census.isActive('b'), true)
    census.close()
  })

  it('asks again after a failure, and says of it what the backend says', async () => {
    let fails = true
    const census = createCensus(async (names) => {
      if (fails) throw new Error('away')
      return names.map(() => NOTHING)
    })
    census.join('a', () => undefined)
    await assert.rejects(census.isActive('a'), /away/)
    fails = false
    assert.equal(await census.isActive('a'), false)
    census.close()
  })
})
