import { availableParallelism } from 'node:os'
import type { Config } from '../config.ts'
import { TappetError } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import { createRuntimeByLanguage } from '../runtime/by-language.ts'
import { type Catalog, loadCatalog } from '../runtime/catalog.ts'
import { openCgroups } from '../runtime/cgroup.ts'
import { createDescriber } from '../runtime/describer.ts'
import { joinCatalogs, loadNdjsonCatalog } from '../runtime/ndjson/catalog.ts'
import { createNdjsonRuntime } from '../runtime/ndjson/ndjson.ts'
import { createVariablesCheck } from '../runtime/variables-check.ts'
import { createProcessRuntime } from '../runtime/process.ts'
import { sandboxProblem } from '../runtime/sandbox/bubblewrap.ts'
import type { FunctionRuntime, HostCalls, LoadedFunction, LogLine } from '../runtime/runtime.ts'
import type { Subscription } from '../triggers/trigger.ts'

/** The project's functions: what they declare, and where they run. */
export interface Functions {
  readonly runtime: FunctionRuntime
  current(): Catalog
  find(functionId: string): LoadedFunction | undefined
  subscriptions(kind: string): readonly Subscription[]
  /** Reads the folder again. Attempts under way stay on the version that they began with. */
  reload(): Promise<Catalog>
}

export interface FunctionsDeps {
  readonly config: Config
  readonly databaseUrl: string
  readonly host: HostCalls
  readonly onLog: (lines: readonly LogLine[]) => void
  readonly logger: Logger
}

/** What every process needs to work at all. Everything else must be asked for. */
const ALWAYS = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'NODE_ENV']

/** Each takes 7 MB of its own. */
const MAX_SPARES = 2

export async function openFunctions({
  config,
  databaseUrl,
  host,
  onLog,
  logger,
}: FunctionsDeps): Promise<Functions> {
  const { root, stateFolder, variable } = config
  const pick = (names: readonly string[]): Record<string, string> =>
    Object.fromEntries(
      names.flatMap((name) => (variable(name) === undefined ? [] : [[name, variable(name) ?? '']])),
    )
  if (config.isolation === 'sandbox') await requireSandbox()
  const cgroup = divideCgroup(logger)
  const describe = createDescriber({ root, environment: pick(ALWAYS) })
  const environment = (fn: LoadedFunction) => pick([...ALWAYS, ...fn.env, ...fn.secrets])
  const [works, answers] = [config.roles.includes('worker'), config.roles.includes('http')]
  /** Requests are answered where they come in. */
  const runsHere = ({ web }: LoadedFunction): boolean => (web ? answers : works)
  const shown = { root, baseEnvironment: pick(ALWAYS), environment }
  const checkVariables = createVariablesCheck({ ...shown, isNeeded: (fn) => works || runsHere(fn) })
  const shared = { host, onLog, logger, environment, concurrency: config.concurrency }
  const node = createProcessRuntime({
    ...{ ...shared, root, provision: runsHere },
    baseEnvironment: pick(ALWAYS),
    databaseUrl: (fn) => (fn.database === null ? databaseUrl : (variable(fn.database) ?? '')),
    cgroup,
    sandboxesOnly: config.isolation === 'sandbox',
    spares: Math.min(MAX_SPARES, availableParallelism()),
  })
  const ndjson = createNdjsonRuntime({ ...shared, provision: works })
  const runtime = createRuntimeByLanguage({ node, ndjson, script: ndjson, lambda: ndjson, http: ndjson })
  const load = async (): Promise<Catalog> => {
    const found = joinCatalogs(
      await loadCatalog({ root, buildDir: `${stateFolder}/build`, describe, isolation: config.isolation }),
      await loadNdjsonCatalog({ root, path: variable('PATH') ?? '', isolation: config.isolation }),
    )
    return checkVariables(found)
  }
  let catalog = await load()
  let byId = index(catalog)
  runtime.retain(catalog.functions)

  return {
    runtime,
    current: () => catalog,
    find: (functionId) => byId.get(functionId),
    subscriptions: (kind) => catalog.functions.flatMap((fn) => subscriptionsOf(fn, kind)),
    async reload() {
      catalog = await load()
      byId = index(catalog)
      runtime.retain(catalog.functions)
      return catalog
    },
  }
}

/** Where runners get control groups of their own; null where that cannot be: then they are only looked at. */
function divideCgroup(logger: Logger): string | null {
  const { path, problem } = openCgroups()
  if (problem === null) logger.info({ path }, 'functions are in control groups')
  else logger.debug({ problem }, 'functions are in no control groups; their memory and processes are counted')
  return path
}

/** @throws TappetError TPT_SANDBOX_UNAVAILABLE */
async function requireSandbox(): Promise<void> {
  const problem = await sandboxProblem()
  if (problem !== null)
    throw new TappetError('TPT_SANDBOX_UNAVAILABLE', `TAPPET_ISOLATION=sandbox: ${problem}`)
}

function index({ functions }: Catalog): Map<string, LoadedFunction> {
  return new Map(functions.map((fn) => [fn.id, fn]))
}

function subscriptionsOf({ id: functionId, triggers }: LoadedFunction, kind: string): Subscription[] {
  return triggers.flatMap((trigger, place) =>
    trigger.kind === kind ? [{ functionId, index: place, trigger }] : [],
  )
}
