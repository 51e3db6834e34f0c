import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cp, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { loadLanguages, startLanguages } from '../support/languages.ts'
import {
  find,
  makeInvocation,
  makeProject,
  messageOf,
  never,
  type ProcessHarness,
  type Project,
} from '../support/runtime.ts'

const EXAMPLES = join(import.meta.dirname, '../../runtimes/examples')

/** As the first lines of each say. */
const BUILDS = [
  { id: 'c', language: 'C', compiler: 'cc', args: ['-O2', '-Wall', '-Werror', '-o', 'serve', 'main.c'] },
  {
    id: 'rust',
    language: 'Rust',
    compiler: 'rustc',
    args: ['-O', '-D', 'warnings', '-o', 'serve', 'main.rs'],
  },
  { id: 'go', language: 'Go', compiler: 'go', args: ['build', '-o', 'serve', 'main.go'] },
] as const

function isThere(compiler: string): boolean {
  try {
    execFileSync(compiler, [compiler === 'go' ? 'version' : '--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

describe('the examples in compiled languages', () => {
  let project: Project
  let harness: ProcessHarness
  before(async () => {
    project = await makeProject()
    harness = startLanguages()
  })
  after(async () => {
    await harness.close()
    await project.remove()
  })

  for (const { id, language, compiler, args } of BUILDS) {
    const skip = isThere(compiler) ? false : `no ${compiler} on the PATH`
    it(`are built and run: ${language}`, { skip }, async () => {
      const folder = join(project.root, 'functions', id)
      await mkdir(dirname(folder), { recursive: true })
      await cp(join(EXAMPLES, id), folder, { recursive: true })
      execFileSync(compiler, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
      const catalog = await loadLanguages(project.root)
      assert.deepEqual(catalog.problems, [])
      for (const data of ['one', { text: 'ä"}\u2028,"event":', list: ['x'.repeat(100_000)] }]) {
        const event = messageOf(data)
        const invocation = makeInvocation(null, { event })
        const settled = await harness.runtime.run(find(catalog, id), invocation, never)
        assert.deepEqual(settled, { ok: true, result: { language, event } })
        const lines = harness.logs.filter(({ runId }) => runId === invocation.runId)
        assert.deepEqual(
          lines.map(({ message }) => message),
          [`hello from ${language}`],
        )
      }
    })
  }
})
