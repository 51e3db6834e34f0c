import { mkdir, readFile, realpath, rm, stat } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import type { ErrorCode, Failure } from '../errors.ts'
import { bundleFunctions, type Broken, type Bundle } from './bundle.ts'
import { readDeclaration } from './declaration.ts'
import type { Describe, Described } from './describer.ts'
import { findFiles, toPosix, walk } from './find-files.ts'
import type { LoadedFunction } from './runtime.ts'
import { sandboxProblem, type View } from './sandbox/bubblewrap.ts'
import { readsOf } from './sandbox/packages.ts'
import { readWebDeclaration } from './web/declaration.ts'

export interface CatalogOptions {
  /** The project's folder. */
  readonly root: string
  /** Where the functions are, in it. Default `functions`. */
  readonly functionsDir?: string
  /** Where bundles go, for example `<root>/.tappet/build`. */
  readonly buildDir: string
  readonly describe: Describe
  /** `sandbox`: whatever a function declares. Default `process`: what it declares. */
  readonly isolation?: 'process' | 'sandbox'
}

/** The functions of a project. */
export interface Catalog {
  /** In the order of their ids. */
  readonly functions: readonly LoadedFunction[]
  /** Files that should be functions and are not. The others run. */
  readonly problems: readonly CatalogProblem[]
}

export interface CatalogProblem {
  /** Relative to the project's folder. */
  readonly file: string
  readonly code: ErrorCode
  /** What was expected, what came, and where: complete by itself. */
  readonly message: string
}

/** A file on its way into the catalog. */
interface Candidate {
  readonly id: string
  readonly file: string
  readonly path: string
}

/** What an id is made of. */
export const ID = /^[A-Za-z0-9][\w.-]*(?:\/[A-Za-z0-9][\w.-]*)*$/
const MAX_ID_CHARS = 200

/** Bundles that are no function's any more stay this long: a process that is about to start may want one. */
const KEEP_MS = 600_000
const BUILT = /-[0-9a-f]{12}\.[cm]js(?:\.map|\.[^/]+\.cache)?$|\.tmp$/

/**
 * Finds the functions of a project, bundles each, and asks a process apart what it declares. No user code runs in
 * this process. Call it again after a change: what stayed the same is not asked again.
 */
export async function loadCatalog(options: CatalogOptions): Promise<Catalog> {
  const root = await realpath(options.root)
  const folder = resolve(root, options.functionsDir ?? 'functions')
  const found = await findFiles(folder)
  if (found === null)
    return toCatalog([problem(toPosix(relative(root, folder)), 'expected a folder, found none')])
  const buildDir = await makeFolder(resolve(root, options.buildDir))
  const candidates = found.map(({ id, path }) => ({ id, path, file: toPosix(relative(root, path)) }))
  const [entries, twins] = splitTwins(candidates)
  const bundles = await bundleFunctions(root, buildDir, entries)
  const views = await viewsOf(bundles, options.isolation === 'sandbox')
  const refusal = views.size > 0 ? await sandboxProblem() : null
  const described = await describeAll(bundles, options.describe, refusal === null ? views : null)
  const imported = importedBy(entries, bundles)
  const outcomes = await Promise.all(
    entries.map(async (entry, i) => {
      const bundle = bundles[i] ?? { error: 'no bundle' }
      const view = 'path' in bundle ? views.get(bundle.path) : undefined
      if (view && refusal !== null) return [problem(entry.file, refusal, 'TPT_SANDBOX_UNAVAILABLE')]
      const said = described[i] ?? null
      // What others import is a module, unless it says more of itself.
      if (isBare(said) && imported.has(entry.path)) return []
      return confinedBy(view, entry.file, await judge(entry, bundle, said))
    }),
  )
  const catalog = toCatalog([...outcomes.flat(), ...twins])
  await prune(buildDir, catalog.functions)
  return catalog
}

function toCatalog(outcomes: readonly (LoadedFunction | CatalogProblem)[]): Catalog {
  return {
    functions: outcomes.filter((outcome) => 'bundle' in outcome),
    problems: outcomes.filter((outcome) => 'message' in outcome),
  }
}

function problem(file: string, message: string, code: ErrorCode = 'TPT_FUNCTION_INVALID'): CatalogProblem {
  return { file, code, message: `${file}: ${message}` }
}

async function makeFolder(path: string): Promise<string> {
  await mkdir(path, { recursive: true })
  return realpath(path)
}

/** Of files that differ in their extension only, the first counts. */
function splitTwins(candidates: readonly Candidate[]): [Candidate[], CatalogProblem[]] {
  const first = new Map<string, Candidate>()
  const twins: CatalogProblem[] = []
  for (const candidate of candidates) {
    const other = first.get(candidate.id)
    if (other)
      twins.push(
        problem(candidate.file, `must have an id of its own, got '${candidate.id}' like ${other.file}`),
      )
    else first.set(candidate.id, candidate)
  }
  return [[...first.values()], twins]
}

/** Paths of what is in the bundle of another file. */
function importedBy(
  entries: readonly Candidate[],
  bundles: readonly (Bundle | Broken)[],
): ReadonlySet<string> {
  return new Set(
    bundles.flatMap((one, i) =>
      'path' in one ? one.modules.filter((path) => path !== entries[i]?.path) : [],
    ),
  )
}

function isBare(described: Described | null): boolean {
  return described?.kind === 'function' && described.web === 'bare'
}

/** What those see that run in sandboxes, by the paths of their bundles. */
async function viewsOf(
  bundles: readonly (Bundle | Broken)[],
  all: boolean,
): Promise<ReadonlyMap<string, View>> {
  const confined = bundles.flatMap((one) => ('path' in one && (all || one.asksForSandbox) ? [one] : []))
  return new Map(
    await Promise.all(
      confined.map(
        async ({ path, external }) => [path, { network: false, reads: await readsOf(external) }] as const,
      ),
    ),
  )
}

/** Null for those that have no bundle, or no sandbox that they need: these are not imported. */
async function describeAll(
  bundles: readonly (Bundle | Broken)[],
  describe: Describe,
  views: ReadonlyMap<string, View> | null,
): Promise<(Described | null)[]> {
  const paths = bundles.flatMap((one) =>
    'path' in one && (views !== null || !one.asksForSandbox) ? [one.path] : [],
  )
  const described = await describe(paths, views ?? new Map())
  const byPath = new Map(paths.map((path, i) => [path, described[i] ?? null]))
  return bundles.map((bundle) => ('path' in bundle ? (byPath.get(bundle.path) ?? null) : null))
}

/** What a file has become, in the sandbox in which it was asked; a function that asks for one outside of it is none. */
function confinedBy(
  view: View | undefined,
  file: string,
  outcomes: readonly (LoadedFunction | CatalogProblem)[],
): (LoadedFunction | CatalogProblem)[] {
  return outcomes.map((outcome) => {
    if (!('triggers' in outcome)) return outcome
    if (view) return { ...outcome, isolation: 'sandbox', reads: view.reads }
    if (outcome.isolation !== 'sandbox') return outcome
    return problem(file, "`isolation` must be written as `isolation: 'sandbox'`, got it computed")
  })
}

/** What becomes of a file: a function, its problems, or nothing for a helper module. */
async function judge(
  { id, file, path }: Candidate,
  bundle: Bundle | Broken,
  described: Described | null,
): Promise<(LoadedFunction | CatalogProblem)[]> {
  if (!('path' in bundle)) return [problem(file, `does not compile: ${bundle.error}`)]
  if (described === null) return []
  if (described.kind === 'failed') return [problem(file, loadError(described.failure), 'TPT_FUNCTION_LOAD')]
  if (described.kind === 'module' || described.web === 'bare') {
    // It may have gone while it was being described.
    const uses = usesDefineFunction(await readFile(path, 'utf8').catch(() => ''))
    if (uses)
      return [
        problem(file, 'must have `export default defineFunction(…)`, got another default export or none'),
      ]
    if (described.kind === 'module') return []
  }
  if (!ID.test(id) || id.length > MAX_ID_CHARS) return [problem(file, `its path ${ID_RULE}, got '${id}'`)]
  const declared = described.web ? readWebDeclaration(described, id) : readDeclaration(described)
  if ('triggers' in declared) return [{ id, file, bundle: bundle.path, version: bundle.version, ...declared }]
  return declared.map((message) => problem(file, message))
}

export const ID_RULE = `must be of letters, digits, '_', '-' and '.', begin with a letter or digit, and have at most ${MAX_ID_CHARS} characters`

function loadError({ name, message, stack }: Failure): string {
  const text = name === 'NonError' ? message : `${name}: ${message}`
  const place = /\(?([^\s()]+:\d+:\d+)\)?$/m.exec(stack?.slice(stack.indexOf('\n    at ')) ?? '')?.[1]
  return `does not load: ${text}${place === undefined ? '' : ` (${place})`}`
}

/** By the text: what is in no export leaves no trace in the module. */
function usesDefineFunction(source: string): boolean {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*$/gm, '')
  return /\bdefineFunction\b[^;'"]*\bfrom\s*['"]tappet['"]/.test(code) && /\bdefineFunction\s*[(<]/.test(code)
}

async function prune(buildDir: string, functions: readonly LoadedFunction[]): Promise<void> {
  const current = new Set(functions.map(({ bundle }) => bundle))
  const built = await walk(buildDir, (name) => BUILT.test(name))
  const old = built.filter((path) => !current.has(path.replace(/(?<=\.[cm]js)\.(map|[^/]+\.cache)$/, '')))
  await Promise.all(
    old.map(async (path) => {
      const found = await stat(path).catch(() => null)
      if (found && Date.now() - found.mtimeMs > KEEP_MS) await rm(path, { force: true })
    }),
  )
}
