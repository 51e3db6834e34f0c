import { type ErrorCode, type Failure, TappetError } from '../errors.ts'
import type { Catalog, CatalogProblem } from './catalog.ts'
import { decodeJson, encodeJson, FRAME } from './frames.ts'
import { PING } from './pings.ts'
import { startRunner } from './runner-process.ts'
import type { LoadHeader } from './runner/main.ts'
import type { LoadedFunction } from './runtime.ts'
import { loadOf, viewOf } from './sandbox/confined.ts'
import { SANDBOX_ENVIRONMENT } from './sandbox/bubblewrap.ts'

export interface VariablesCheckOptions {
  readonly root: string
  readonly baseEnvironment: Readonly<Record<string, string>>
  readonly environment: (fn: LoadedFunction) => Readonly<Record<string, string>>
  /** Whether it runs in this process; others need none of its variables. Default: each does. */
  readonly isNeeded?: (fn: LoadedFunction) => boolean
}

/** Longest that one check may take. A schema that does not end is found out by the first run. */
const DEADLINE_MS = 10_000
const AT_ONCE = 4

/**
 * Moves functions whose variables are not as their `env` says from a catalog's functions to its problems. The schema is
 * asked in a process of the function's own: it is user code, and nobody else may see the variables.
 */
export function createVariablesCheck(options: VariablesCheckOptions): (catalog: Catalog) => Promise<Catalog> {
  const { isNeeded = () => true } = options
  // Neither a bundle nor our environment ever changes.
  const known = new Map<string, CatalogProblem | null>()
  const look = async (fn: LoadedFunction): Promise<CatalogProblem | null> => {
    const name = `${fn.id}@${fn.version}`
    const found = known.has(name) ? (known.get(name) ?? null) : await checkOne(fn, options)
    known.set(name, found)
    return found
  }
  return async (catalog) => {
    const waiting = catalog.functions.filter(isNeeded)
    const found = new Map<LoadedFunction, CatalogProblem>()
    const work = async (): Promise<void> => {
      for (let fn = waiting.shift(); fn; fn = waiting.shift()) {
        const wrong = await look(fn)
        if (wrong) found.set(fn, wrong)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    return {
      functions: catalog.functions.filter((fn) => !found.has(fn)),
      problems: [...catalog.problems, ...catalog.functions.flatMap((fn) => found.get(fn) ?? [])],
    }
  }
}

async function checkOne(fn: LoadedFunction, options: VariablesCheckOptions): Promise<CatalogProblem | null> {
  const { file } = fn
  try {
    const environment = options.environment(fn)
    const failure = fn.hasEnvSchema ? await ask(fn, environment, options) : null
    // What else is wrong shows when it runs.
    return failure?.code === 'TPT_CONFIG_INVALID' ? problem(file, failure.code, failure.message) : null
  } catch (error) {
    if (!(error instanceof TappetError)) throw error
    return problem(file, error.code, `${file}: ${error.message}`)
  }
}

function problem(file: string, code: ErrorCode, message: string): CatalogProblem {
  return { file, code, message }
}

async function ask(
  fn: LoadedFunction,
  environment: Readonly<Record<string, string>>,
  { root, baseEnvironment }: VariablesCheckOptions,
): Promise<Failure | null> {
  const { id: functionId, file, bundle, env } = fn
  const sandbox = viewOf(fn)
  let answer: (failure: Failure | null) => void = () => undefined
  const answered = new Promise<Failure | null>((resolve) => (answer = resolve))
  const runner = startRunner({
    ...{ cwd: root, sandbox, onOutput: () => undefined },
    environment: sandbox ? { ...baseEnvironment, ...SANDBOX_ENVIRONMENT } : baseEnvironment,
    onFrame({ type, payload }) {
      if (type === FRAME.answer) answer(decodeJson(payload) as Failure | null)
    },
  })
  runner.hold(true)
  const header: LoadHeader = { functionId, file, bundle, env, maxResultBytes: 0 }
  runner.send(FRAME.ping, PING.boot)
  runner.send(FRAME.load, 0, header, encodeJson(loadOf(fn, environment, '')))
  runner.send(FRAME.checkEnv, 0)
  const timer = setTimeout(() => answer(null), DEADLINE_MS)
  const failure = await Promise.race([answered, runner.exited.then(() => null)])
  clearTimeout(timer)
  runner.kill()
  await runner.exited
  return failure
}
