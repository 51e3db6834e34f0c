import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Catalog } from '../../src/runtime/catalog.ts'
import type { Settled } from '../../src/runtime/runtime.ts'
import { sandboxProblem } from '../../src/runtime/sandbox/bubblewrap.ts'
import {
  filesOf,
  find,
  makeInvocation,
  makeProject,
  never,
  type ProcessHarness,
  type Project,
  startProcesses,
} from '../support/runtime.ts'

const noSandbox = (await sandboxProblem()) ?? false

for (const [id, skip] of [
  ['plain', false],
  ['alone', noSandbox],
] as const) {
  describe(`the memory of functions: ${id === 'plain' ? 'process' : 'sandbox'}`, { skip }, () => {
    let project: Project
    let catalog: Catalog
    let harness: ProcessHarness

    before(async () => {
      project = await makeProject({
        ...filesOf('./runtime-calls.ts', ['plain']),
        ...(noSandbox ? {} : filesOf('./runtime-calls-confined.ts', ['alone'])),
      })
      catalog = await project.load({ PATH: process.env.PATH ?? '' })
    })
    after(() => project.remove())
    beforeEach(() => {
      harness = startProcesses(project.root)
    })
    afterEach(() => harness.close())

    const run = (memoryMb: number, how: string, ...on: string[]): Promise<Settled> =>
      harness.runtime.run({ ...find(catalog, id), memoryMb }, makeInvocation({ how, on }), never)

    test('the default is enough for threads, WebAssembly, buffers and what only reserves', async () => {
      for (const [how, on, result] of [
        ['buffers', ['16', '20'], 20],
        ['reserved', ['400'], 400 * 1_048_576],
        ['memories', ['100'], 100],
        ['many threads', ['24'], 24],
      ] as const) {
        await harness.close()
        harness = startProcesses(project.root)
        assert.deepEqual(await run(512, how, ...on), { ok: true, result }, how)
      }
    })

    for (const [how, ...on] of [
      ['buffers', '4', '200'],
      ['buffers', '2000', '1'],
      ['many threads', '100'],
      ['texts', '16', '100'],
      ['objects', '100000000'],
    ] as const) {
      test(`too much of it has a code of its own: ${how} ${on.join(' ')}`, async () => {
        const settled = await run(64, how, ...on)
        assert.equal(!settled.ok && settled.failure.code, 'TPT_OUT_OF_MEMORY', JSON.stringify(settled))
        assert.equal(!settled.ok && settled.lost, false)
      })
    }
  })
}

/** Threads and stacks of its own, as image libraries have them; a language's compiler in Rust. */
const binding = fileURLToPath(
  new URL(`../../node_modules/@oxfmt/binding-linux-${process.arch}-gnu`, import.meta.url),
)
const library = `${binding}/oxfmt.linux-${process.arch}-gnu.node`
test(
  'the default is enough for a large native module',
  { skip: !existsSync(library) && `there is no ${library}` },
  async () => {
    const project = await makeProject(filesOf('./runtime-calls.ts', ['plain']))
    const harness = startProcesses(project.root)
    try {
      const fn = find(await project.load({ PATH: process.env.PATH ?? '' }), 'plain')
      const settled = await harness.runtime.run(fn, makeInvocation({ how: 'native', on: [library] }), never)
      assert.deepEqual(settled, { ok: true, result: true })
    } finally {
      await harness.close()
      await project.remove()
    }
  },
)
