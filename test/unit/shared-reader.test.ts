import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Reader } from '../../src/store/reader.ts'
import { shareAnswers } from '../../src/store/shared-reader.ts'

function counting(): { readonly reader: Reader; readonly asked: () => number; fail: boolean } {
  let asked = 0
  const state = {
    fail: false,
    asked: () => asked,
    reader: {
      functionStats: async () => {
        asked++
        if (state.fail) throw new Error('away')
        return []
      },
      workers: async () => (asked++, []),
    } as unknown as Reader,
  }
  return state
}

describe('answers for many viewers', () => {
  it('are asked once for all who ask within the time', async () => {
    const { reader, asked } = counting()
    const shared = shareAnswers(reader, 60_000)
    await Promise.all([shared.functionStats(), shared.functionStats()])
    await shared.functionStats()
    assert.equal(asked(), 1)
  })

  it('are asked again after it', async () => {
    const { reader, asked } = counting()
    const shared = shareAnswers(reader, 0)
    await shared.functionStats()
    await shared.functionStats()
    assert.equal(asked(), 2)
  })

  it('are not kept when they failed', async () => {
    const state = counting()
    const shared = shareAnswers(state.reader, 60_000)
    state.fail = true
    await assert.rejects(shared.functionStats(), /away/)
    state.fail = false
    assert.deepEqual(await shared.functionStats(), [])
  })

  it('are shared for nothing that viewers ask differently', async () => {
    const { reader, asked } = counting()
    const shared = shareAnswers(reader, 60_000)
    await shared.workers()
    await shared.workers()
    assert.equal(asked(), 2)
  })
})
