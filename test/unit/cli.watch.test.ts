import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { watchFunctions } from '../../src/cli/dev/watch.ts'
import { eventually } from '../support/eventually.ts'

let root: string
const file = (...names: string[]): string => join(root, 'functions', ...names)
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'tappet-watch-'))
  await mkdir(file('orders'), { recursive: true })
})
after(() => rm(root, { recursive: true }))

test('changes are seen beside links that lead round in circles', async () => {
  await symlink('.', file('orders', 'here'))
  await symlink('..', file('orders', 'up'))
  await symlink('itself', file('orders', 'itself'))
  await symlink('/nowhere', file('orders', 'dangling.ts'))
  const changed = new Set<string>()
  const errors: Error[] = []
  const watcher = watchFunctions(root, {
    onChange: async (files) => files.forEach((name) => changed.add(name)),
    onError: (error) => void errors.push(error),
  })
  try {
    // The watcher begins at some time; a file that never keeps quiet is not told.
    let writtenMs = -Infinity
    await eventually(async () => {
      if (performance.now() - writtenMs > 300) {
        writtenMs = performance.now()
        await writeFile(file('orders', 'place.ts'), `// ${writtenMs}`)
      }
      return changed.has('functions/orders/place.ts')
    }, 'the change to be seen')
    assert.deepEqual([[...changed], errors], [['functions/orders/place.ts'], []])
  } finally {
    await watcher.close()
  }
})
