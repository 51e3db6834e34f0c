import { sandboxProblem } from '../../src/runtime/sandbox/bubblewrap.ts'
import { describe } from 'node:test'
import { testWebHandlers } from '../conformance/web.ts'
import { makeProject, filesOf, startProcesses } from '../support/runtime.ts'
import * as functions from '../support/web-functions.ts'

const skip = (await sandboxProblem()) ?? false

describe('in a sandbox', { skip }, () => {
  testWebHandlers('web handlers, in sandboxes', async () => {
    const project = await makeProject(filesOf('./web-functions.ts', Object.keys(functions)))
    const { functions: loaded } = await project.load()
    const processes = startProcesses(project.root, { sandboxesOnly: true })
    return {
      runtime: processes.runtime,
      functions: loaded.map((fn) => ({ ...fn, isolation: 'sandbox' as const })),
      logs: processes.logs,
      async close() {
        await processes.close()
        await project.remove()
      },
    }
  })
})
