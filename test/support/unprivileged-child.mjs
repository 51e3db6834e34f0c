// Runs functions of a project in sandboxes, from `dist`, and prints what became of them. Plain JavaScript: an unprivileged
// user cannot write what running from source writes.
import { loadCatalog } from '../../dist/runtime/catalog.js'
import { createDescriber } from '../../dist/runtime/describer.js'
import { createProcessRuntime } from '../../dist/runtime/process.js'
import { sandboxProblem } from '../../dist/runtime/sandbox/bubblewrap.js'

const [root, wishes] = process.argv.slice(2)
const nothing = () => undefined
const logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
const { functions, problems } = await loadCatalog({
  root,
  buildDir: `${root}/.tappet/build`,
  describe: createDescriber({ root, environment: {} }),
})
const runtime = createProcessRuntime({
  ...{ root, logger, host: {}, environment: () => ({}), databaseUrl: () => '', onLog: nothing },
})
const run = async ({ how, on, version = 'v1', ...more }) => {
  const fn = functions.find(({ id }) => id === 'confined')
  if (!fn) return null
  const event = { specversion: '1.0', id: how, source: '/test', type: 'message', data: { how, on } }
  const invocation = {
    ...{ event, runId: `run_${how}`, attempt: 1, maxAttempts: 1, trigger: 0, alone: true },
    trace: { traceparent: null, tracestate: null },
  }
  return runtime.run({ ...fn, version, ...more }, invocation, AbortSignal.timeout(20_000))
}
const settled = []
for (const wish of JSON.parse(wishes)) settled.push(await run(wish))
await runtime.close()
console.log(JSON.stringify({ uid: process.getuid(), problem: await sandboxProblem(), problems, settled }))
