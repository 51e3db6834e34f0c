import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Meter } from '../../src/runtime/runtime.ts'
import { loadLanguages, startLanguages } from '../support/languages.ts'
import {
  find,
  makeInvocation,
  makeProject,
  never,
  type ProcessHarness,
  type Project,
  startProcesses,
} from '../support/runtime.ts'

const FILES = {
  'burn.ts': `import { defineFunction, queue } from 'tappet'
export default defineFunction({ on: queue('q') }, ({ data }) => {
  for (const until = performance.now() + data.ms; performance.now() < until; );
  return 'x'.repeat(data.size ?? 0)
})`,
  'wait.ts': `import { setTimeout } from 'node:timers/promises'
import { defineFunction, queue } from 'tappet'
export default defineFunction({ on: queue('q') }, ({ data }) => setTimeout(data.ms, null))`,
  'fail.ts': `import { defineFunction, queue } from 'tappet'
export default defineFunction({ on: queue('q') }, () => { throw new Error('no') })`,
  'exit.ts': `import { defineFunction, queue } from 'tappet'
export default defineFunction({ on: queue('q') }, () => process.exit(1))`,
  'hold.ts': `import { defineFunction, queue } from 'tappet'
export default defineFunction({ on: queue('q') }, () => Buffer.alloc(80e6, 1).length)`,
  'shell.sh': `# tappet: { "runtime": "script", "on": { "kind": "queue", "queue": "q" } }
echo '"done"'`,
}

describe('what an attempt took', () => {
  let project: Project
  let processes: ProcessHarness
  before(async () => {
    project = await makeProject(FILES)
    processes = startProcesses(project.root)
  })
  after(async () => {
    await processes.close()
    await project.remove()
  })

  const metered = async (id: string, data: object = {}): Promise<Meter> => {
    const taken: Meter[] = []
    const fn = find(await project.load(), id)
    await processes.runtime.run(fn, makeInvocation(data), never, undefined, (meter) => void taken.push(meter))
    assert.equal(taken.length, 1)
    return taken[0] as Meter
  }

  test('is the time, the CPU time, the bytes, and whether the process was new', async () => {
    const cold = await metered('burn', { ms: 60, size: 1_000 })
    assert.ok(cold.durationMs >= 60 && cold.cpuMs !== null && cold.cpuMs > 20, JSON.stringify(cold))
    assert.ok(cold.bytesIn > 100 && cold.bytesOut === 1_002 && cold.cold, JSON.stringify(cold))
    const warm = await metered('burn', { ms: 1 })
    assert.ok(!warm.cold && warm.durationMs < cold.durationMs, JSON.stringify(warm))
  })

  test('has no CPU time in it for waiting', async () => {
    await metered('wait', { ms: 1 })
    const { durationMs, cpuMs } = await metered('wait', { ms: 300 })
    assert.ok(durationMs >= 295 && cpuMs !== null && cpuMs < 150, `${durationMs} ms, ${cpuMs} ms of CPU`)
  })

  test('has the most memory that its process has taken in it', async () => {
    const small = await metered('wait', { ms: 1 })
    const large = await metered('hold')
    assert.ok((large.peakKb ?? 0) - (small.peakKb ?? 0) > 50_000, `${small.peakKb} and ${large.peakKb} KiB`)
  })

  test('is told of failures, and, as far as it can be, of ends', async () => {
    const failed = await metered('fail')
    assert.ok(failed.bytesOut > 10 && failed.cpuMs !== null)
    const ended = await metered('exit')
    assert.deepEqual([ended.cpuMs, ended.peakKb, ended.bytesOut, ended.cold], [null, null, 0, true])
    assert.ok(ended.durationMs > 0)
  })

  test('is the time and the bytes in other languages', async () => {
    const fn = find(await loadLanguages(project.root), 'shell')
    const languages = startLanguages()
    let meter: Meter | null = null
    await languages.runtime.run(fn, makeInvocation({}), never, undefined, (taken) => (meter = taken))
    await languages.close()
    assert.ok(meter)
    const { durationMs, ...rest } = meter as Meter
    assert.ok(durationMs > 0)
    assert.deepEqual([rest.cpuMs, rest.cold, rest.bytesOut], [null, true, 6])
  })
})
