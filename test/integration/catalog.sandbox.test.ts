import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sandboxProblem } from '../../src/runtime/sandbox/bubblewrap.ts'
import { makeInvocation, makeProject, never, startProcesses } from '../support/runtime.ts'

const skip = (await sandboxProblem()) ?? false

describe('a function that asks for a sandbox', () => {
  test('finds packages that are not bundled, and may await at its top level', { skip }, async () => {
    const project = await makeProject({
      'outside.ts': `import { defineFunction, queue } from 'tappet'\nimport { name } from 'outer'\nconst early = await name()\n
        export default defineFunction({ on: queue('q'), isolation: 'sandbox' }, () => early)`,
    })
    const put = async (path: string, text: string): Promise<void> => {
      await mkdir(join(project.root, path, '..'), { recursive: true })
      await writeFile(join(project.root, path), text)
    }
    await put('package.json', '{"tappet":{"external":["outer"]}}')
    await put('node_modules/outer/package.json', '{"name":"outer","dependencies":{"inner":"1.0.0"}}')
    await put('node_modules/outer/index.js', `exports.name = async () => require('inner')`)
    await put('node_modules/.store/inner/index.js', `module.exports = 'inner'`)
    await put('node_modules/other/index.js', `module.exports = 'other'`)
    await symlink('.store/inner', join(project.root, 'node_modules/inner'))
    const harness = startProcesses(project.root)
    try {
      const { functions, problems } = await project.load()
      assert.deepEqual(problems, [])
      const [fn] = functions
      assert.ok(fn)
      assert.deepEqual(
        fn.reads?.map((path) => path.slice(path.lastIndexOf('/node_modules/'))),
        ['/node_modules/inner', '/node_modules/outer'],
      )
      const settled = await harness.runtime.run(fn, makeInvocation(null), never)
      assert.deepEqual(settled, { ok: true, result: 'inner' })
    } finally {
      await harness.close()
      await project.remove()
    }
  })

  const source = (options: string): string =>
    `import { readFileSync, writeFileSync } from 'node:fs'\nimport { defineFunction, queue } from 'tappet'\n` +
    `try { writeFileSync(process.cwd() + '/imported', '') } catch {}\nconst level = 'sandbox' as const\n` +
    `export default defineFunction({ on: queue('q'), ${options} }, () => readFileSync('/etc/passwd').length)\n`

  test('is imported nowhere else, not even once', { skip }, async () => {
    const project = await makeProject({ 'safe.ts': source(`isolation: 'sandbox'`) })
    try {
      assert.deepEqual((await project.load()).problems, [])
      assert.ok(!(await readdir(project.root)).includes('imported'))
    } finally {
      await project.remove()
    }
  })

  test('must say it in so many words', { skip }, async () => {
    const project = await makeProject({
      'odd.ts': source('isolation: level'),
      'none.ts': source('network: false'),
    })
    try {
      const { functions, problems } = await project.load()
      assert.deepEqual([functions, problems.length], [[], 2])
      assert.match(problems.map(({ message }) => message).join(), /must be written as.*|needs `isolation/)
    } finally {
      await project.remove()
    }
  })

  test('is refused where there is none, and so is the start when all must have one', async () => {
    const project = await makeProject({ 'safe.ts': source(`isolation: 'sandbox'`), 'other.ts': source('') })
    const programs = await mkdtemp(join(tmpdir(), 'tappet-path-'))
    try {
      await symlink('/bin/sh', join(programs, 'sh'))
      const said = await describeWithout(programs, project.root)
      assert.deepEqual(said.functions, ['other'])
      assert.deepEqual(said.forced, [])
      assert.deepEqual(said.codes, ['TPT_SANDBOX_UNAVAILABLE', 'TPT_SANDBOX_UNAVAILABLE'])
      assert.match(
        said.message,
        /^functions\/safe\.ts: a sandbox needs bwrap on the PATH, found none: .*install/,
      )
      assert.match(said.start, /^TPT_SANDBOX_UNAVAILABLE TAPPET_ISOLATION=sandbox: a sandbox needs bwrap/)
    } finally {
      await project.remove()
      await rm(programs, { recursive: true, force: true })
    }
  })
})

interface Said {
  readonly functions: readonly string[]
  readonly forced: readonly string[]
  readonly codes: readonly string[]
  readonly message: string
  readonly start: string
}

/** What a broker says on a machine without bwrap. */
async function describeWithout(path: string, root: string): Promise<Said> {
  const child = fileURLToPath(new URL('../support/sandbox-child.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', child, root], {
    env: { PATH: path },
  })
  return JSON.parse(stdout) as Said
}
