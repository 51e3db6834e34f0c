import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { processesIn } from '../support/embedded.ts'
import { makeProject } from '../support/project.ts'

const TICK = `import { cron, defineFunction } from 'tappet'
export default defineFunction({ on: cron('* * * * * *'), retry: false }, () => null)
`

test('dev stops what it has started when nobody reads its output any more', async () => {
  const project = await makeProject({ 'functions/tick.ts': TICK })
  try {
    const { child } = await project.start({}, ['dev', '--port', '0'])
    const exited = once(child, 'exit')
    child.stdout?.destroy()
    child.stderr?.destroy()
    assert.deepEqual(await exited, [0, null])
    assert.deepEqual(await processesIn(project.folder), [])
  } finally {
    await project.remove()
  }
})
