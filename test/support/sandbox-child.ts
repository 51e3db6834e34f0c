import { openFunctions } from '../../src/app/functions.ts'
import { readConfig } from '../../src/config.ts'
import { TappetError } from '../../src/errors.ts'
import { loadCatalog } from '../../src/runtime/catalog.ts'
import { createDescriber } from '../../src/runtime/describer.ts'
import { recordingLogger } from './recording-logger.ts'
import { fakeHost } from './runtime.ts'

// Loads a project with the PATH that it was given, and prints what became of it.

const [root = ''] = process.argv.slice(2)
const describe = createDescriber({ root, environment: {} })
const load = (isolation: 'process' | 'sandbox') =>
  loadCatalog({ root, buildDir: `${root}/.tappet/build`, describe, isolation })
const chosen = await load('process')
const forced = await load('sandbox')
const start = await openFunctions({
  config: readConfig({ TAPPET_ISOLATION: 'sandbox' }, { root }),
  ...{ databaseUrl: '', host: fakeHost(), onLog: () => undefined, logger: recordingLogger().logger },
}).then(
  () => 'started',
  (error: unknown) => (error instanceof TappetError ? `${error.code} ${error.message}` : String(error)),
)
console.log(
  JSON.stringify({
    functions: chosen.functions.map(({ id }) => id),
    forced: forced.functions.map(({ id }) => id),
    codes: forced.problems.map(({ code }) => code),
    message: chosen.problems[0]?.message ?? '',
    start,
  }),
)
process.exit(0)
