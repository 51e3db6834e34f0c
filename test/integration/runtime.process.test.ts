import { testRuntime } from '../conformance/runtime.ts'
import { filesOf, find, makeProject, type Project, startProcesses } from '../support/runtime.ts'
import * as functions from '../support/runtime-functions.ts'

let project: Project

testRuntime('process runtime', {
  async prepare() {
    project = await makeProject(filesOf('./runtime-functions.ts', Object.keys(functions)))
    const catalog = await project.load()
    return { find: (id) => find(catalog, id), remove: project.remove }
  },
  open: async () => startProcesses(project.root),
})
