import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import type { Catalog } from '../../src/runtime/catalog.ts'
import { inspectCgroups, openCgroups } from '../../src/runtime/cgroup.ts'
import type { LoadedFunction, Settled } from '../../src/runtime/runtime.ts'
import { sandboxProblem } from '../../src/runtime/sandbox/bubblewrap.ts'
import { eventually } from '../support/eventually.ts'
import {
  filesOf,
  find,
  makeInvocation,
  makeProject,
  type ProcessHarness,
  type Project,
  startProcesses,
} from '../support/runtime.ts'

const seen = inspectCgroups(process.pid)
const { path, problem } = openCgroups()
const skip = problem === null ? false : `control groups cannot be had here: ${problem}`
const noSandbox = (await sandboxProblem()) ?? false

test('what cannot be divided is left as it was', { skip: problem === null && 'it can be' }, () => {
  assert.equal(path, null)
  assert.deepEqual(inspectCgroups(process.pid), seen)
})

describe('functions in control groups', { skip }, () => {
  let project: Project
  let catalog: Catalog
  let harness: ProcessHarness

  before(async () => {
    project = await makeProject({
      ...filesOf('./runtime-faults.ts', ['pid', 'faulty']),
      ...filesOf('./runtime-sandbox.ts', ['confined']),
    })
    catalog = await project.load({ PATH: process.env.PATH ?? '' })
  })
  after(() => project.remove())
  beforeEach(() => {
    harness = startProcesses(project.root, { cgroup: path })
  })
  afterEach(() => harness.close())

  const run = (id: string, data: unknown, declared: Partial<LoadedFunction> = {}): Promise<Settled> => {
    const fn = { ...find(catalog, id), ...declared }
    return harness.runtime.run(fn, makeInvocation(data), AbortSignal.timeout(60_000))
  }
  const groups = (): string[] => readdirSync(path ?? '').filter((name) => name.startsWith('tappet.run-'))
  const codeOf = (settled: Settled): string | null => (settled.ok ? 'ok' : settled.failure.code)

  test('each process has one, with its limits, until it ends', async () => {
    const settled = await run('pid', null, { memoryMb: 100, maxProcesses: 3 })
    const pid = settled.ok ? (settled.result as number) : 0
    const [name = ''] = groups()
    const read = (file: string): string => readFileSync(join(path ?? '', name, file), 'utf8').trim()
    assert.match(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), new RegExp(`/${name}\n$`))
    assert.deepEqual([read('memory.max'), read('pids.max')], [String(189 * 1_048_576), '64'])
    await harness.close()
    await eventually(() => groups().length === 0, 'the group to be gone')
  })

  test('what a child of theirs takes counts', async () => {
    const settled = await run('faulty', 'memory of a child', { memoryMb: 64 })
    assert.equal(codeOf(settled), 'TPT_OUT_OF_MEMORY', JSON.stringify(settled))
    assert.equal((await run('faulty', 'pid')).ok, true)
  })

  test('they leave nobody behind, not even one in a session of its own', async () => {
    const settled = await run('faulty', 'leave a daemon')
    const pid = settled.ok ? (settled.result as number) : 0
    assert.ok(existsSync(`/proc/${pid}/stat`))
    await harness.close()
    await eventually(() => groups().length === 0, 'the group to be gone, and so the process')
  })

  test('those in sandboxes are in one with all that they start', { skip: noSandbox }, async () => {
    const bomb = { how: 'start processes', on: 'tappet-grouped' }
    assert.equal(codeOf(await run('confined', bomb, { maxProcesses: 4 })), 'TPT_TOO_MANY_PROCESSES')
    const bytes = await run('confined', { how: 'buffers', on: '' }, { memoryMb: 64, version: 'small' })
    assert.equal(codeOf(bytes), 'TPT_OUT_OF_MEMORY')
    await eventually(() => groups().length === 0, 'the groups to be gone')
  })

  test('the kernel refuses a fork bomb more before it is counted', async () => {
    assert.equal(codeOf(await run('faulty', 'fork bomb', { maxProcesses: 4 })), 'TPT_TOO_MANY_PROCESSES')
    await eventually(() => groups().length === 0, 'the group to be gone')
  })
})
