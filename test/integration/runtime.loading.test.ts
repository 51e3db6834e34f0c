import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Catalog } from '../../src/runtime/catalog.ts'
import { find, makeInvocation, makeProject, never, type Project, startProcesses } from '../support/runtime.ts'

const wait = (ms: string): string => `await new Promise((resolve) => setTimeout(resolve, ${ms}))`

/** Loads at once when it is described, and as long as the variable says when it is to run. */
const slow = `import { defineFunction, queue } from 'tappet'
if (process.env.SLOW_MS) ${wait('Number(process.env.SLOW_MS)')}
export default defineFunction({ on: queue('slow'), env: ['SLOW_MS'] }, () => 'done')
`

describe('a function that takes a while to load', () => {
  let project: Project
  let catalog: Catalog
  before(async () => {
    project = await makeProject({ 'slow.ts': slow })
    catalog = await project.load()
  })
  after(() => project.remove())

  const open = (SLOW_MS: string, more: object = {}) => {
    const harness = startProcesses(project.root, { environment: () => ({ SLOW_MS }), ...more })
    return { ...harness, [Symbol.asyncDispose]: harness.close }
  }

  it('has not started before it has loaded, so that its timeout is all its own', async () => {
    await using it = open('300')
    const fn = find(catalog, 'slow')
    const begun = performance.now()
    const startedAt: number[] = []
    const run = () =>
      it.runtime.run(fn, makeInvocation(null), never, () => startedAt.push(performance.now() - begun))
    assert.deepEqual(await run(), { ok: true, result: 'done' })
    assert.ok((startedAt[0] ?? 0) >= 300, `started after ${startedAt[0]} ms`)
    assert.deepEqual(await run(), { ok: true, result: 'done' })
    assert.equal(startedAt.length, 2)
  })

  it('fails as one that does not load when it takes too long', async () => {
    await using it = open('60000', { loadMs: 100 })
    let started = false
    const settled = await it.runtime.run(find(catalog, 'slow'), makeInvocation(null), never, () => {
      started = true
    })
    assert.equal(started, false)
    assert.ok(!settled.ok && !settled.lost)
    assert.deepEqual(
      [settled.failure.code, settled.failure.message],
      ['TPT_FUNCTION_LOAD', 'functions/slow.ts: did not load in time'],
    )
  })
})
