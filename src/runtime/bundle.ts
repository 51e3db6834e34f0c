import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type BuildFailure, type BuildOptions, type BuildResult, type Message, stop } from 'esbuild'
import { createInputsCheck, type Inputs, readInputs } from './bundle-inputs.ts'
import { externalPackages, namedExternal } from './external-packages.ts'

/** A function's file with all that it imports, written down for good under a name that says what is in it. */
export interface Bundle {
  readonly path: string
  /** First 12 hexadecimal digits of the sha256 of the code and its source map. */
  readonly version: string
  /** Absolute paths that it imports where they are: packages with compiled code, and those named. */
  readonly external: readonly string[]
  /** Absolute paths of all that is in it. */
  readonly modules: readonly string[]
  /** Its text says `isolation: 'sandbox'`: it must not be imported outside of one, not even to be asked. */
  readonly asksForSandbox: boolean
}

export interface Entry {
  readonly id: string
  /** Absolute. */
  readonly path: string
}

/** Why a file has no bundle: what the compiler says first. */
export interface Broken {
  readonly error: string
}

const SOURCE = import.meta.url.endsWith('.ts')

/** The front door of the code that is running: what functions import is always what the broker understands. */
const TAPPET = fileURLToPath(new URL(SOURCE ? '../index.ts' : '../index.js', import.meta.url))

interface Format {
  readonly extension: string
  readonly options: Pick<BuildOptions, 'format' | 'define' | 'banner'>
}

/** Of this V8 can keep what it has compiled. Code that awaits at its top level must be an ES module. */
const COMMON: Format = {
  extension: '.cjs',
  options: {
    format: 'cjs',
    define: {
      'import.meta.url': '__tappetUrl',
      'import.meta.filename': '__filename',
      'import.meta.dirname': '__dirname',
    },
    banner: {
      js: '"use strict";const __tappetUrl = require("node:url").pathToFileURL(__filename).href;',
    },
  },
}

/** CommonJS modules in an ES module still ask for `require` and the like. */
const ES: Format = {
  extension: '.mjs',
  options: {
    format: 'esm',
    banner: {
      js: [
        "import { createRequire as __tappetRequire } from 'node:module'",
        "import { fileURLToPath as __tappetPath } from 'node:url'",
        'const require = __tappetRequire(import.meta.url)',
        'const __filename = __tappetPath(import.meta.url)',
        "const __dirname = __tappetPath(new URL('.', import.meta.url))",
      ].join(';'),
    },
  },
}

const OPTIONS = {
  bundle: true,
  write: false,
  metafile: true,
  platform: 'node',
  target: `node${process.versions.node}`,
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'silent',
} as const satisfies BuildOptions

/** Bundles that were made by this process, by where they went. */
const made = new Map<string, Made>()

/**
 * Bundles all entries, in their order. One that does not compile has no influence on the others. One of which no file has
 * changed since this process bundled it last is not bundled again.
 */
export async function bundleFunctions(
  root: string,
  buildDir: string,
  entries: readonly Entry[],
): Promise<(Bundle | Broken)[]> {
  const nameOf = ({ id, path }: Entry): string => `${buildDir}\n${id}\n${path}`
  const isSame = createInputsCheck()
  const same = await Promise.all(
    entries.map(async (entry) => {
      const known = made.get(nameOf(entry))
      return known && (await isSame(known.inputs)) ? known.bundle : null
    }),
  )
  const changed = entries.filter((_, i) => same[i] === null)
  const bundles = await bundleAll({ root, buildDir }, changed)
  changed.forEach((entry, i) => {
    const found = bundles[i]
    if (found && 'bundle' in found) made.set(nameOf(entry), found)
    else made.delete(nameOf(entry))
  })
  const fresh = new Map(changed.map((entry, i) => [entry, bundles[i]]))
  return entries.map((entry, i) => {
    const found = fresh.get(entry)
    return same[i] ?? (found && 'bundle' in found ? found.bundle : (found ?? { error: 'no bundle' }))
  })
}

interface Folders {
  readonly root: string
  readonly buildDir: string
}

interface Made {
  readonly bundle: Bundle
  readonly inputs: Inputs
}

async function bundleAll(folders: Folders, entries: readonly Entry[]): Promise<(Made | Broken)[]> {
  if (entries.length === 0) return []
  const begunMs = Date.now()
  const built = await compile(folders, entries, COMMON).catch(() => null)
  // Together they share the parsing of what they import; apart, each has errors of its own.
  if (built) return writeAll({ ...folders, begunMs }, entries, built, COMMON)
  return Promise.all(entries.map((entry) => bundleOne(folders, entry)))
}

async function bundleOne(folders: Folders, entry: Entry): Promise<Made | Broken> {
  let failure: BuildFailure | null = null
  const begunMs = Date.now()
  for (const format of [COMMON, ES]) {
    try {
      const built = await compile(folders, [entry], format)
      const [found] = await writeAll({ ...folders, begunMs }, [entry], built, format)
      return found ?? { error: 'the compiler gave nothing' }
    } catch (error) {
      failure = error as BuildFailure
      if (!AWAITS_AT_TOP.test(failure.message)) break
    }
  }
  return { error: failure === null ? 'the compiler gave nothing' : firstError(failure) }
}

const AWAITS_AT_TOP = /top-level await/i

async function compile(
  { root, buildDir }: Folders,
  entries: readonly Entry[],
  { extension, options }: Format,
): Promise<BuildResult<typeof OPTIONS>> {
  return buildAgain({
    ...OPTIONS,
    ...options,
    absWorkingDir: root,
    entryPoints: entries.map(({ id, path }) => ({ in: path, out: id })),
    outdir: buildDir,
    outExtension: { '.js': extension },
    sourcemap: 'external',
    sourcesContent: false,
    alias: { tappet: TAPPET },
    plugins: [externalPackages(await namedExternal(root))],
  })
}

/** The compiler is a process, and may have been killed: another is started then. */
async function buildAgain(options: BuildOptions & typeof OPTIONS): Promise<BuildResult<typeof OPTIONS>> {
  try {
    return await build(options)
  } catch (error) {
    if (!/service (is no longer running|was stopped)/.test((error as Error).message)) throw error
    await stop()
    return build(options)
  }
}

const ASKS_FOR_SANDBOX = /\bisolation["']?\s*:\s*["'`]sandbox["'`]/

async function writeAll(
  { root, buildDir, begunMs }: Folders & { readonly begunMs: number },
  entries: readonly Entry[],
  { outputFiles, metafile }: BuildResult<typeof OPTIONS>,
  { extension }: Format,
): Promise<Made[]> {
  const byPath = new Map(outputFiles.map((output) => [output.path, output.contents]))
  return Promise.all(
    entries.map(async ({ id }) => {
      const output = join(buildDir, `${id}${extension}`)
      const code = byPath.get(output)
      const map = byPath.get(`${output}.map`)
      if (!code || !map) throw new Error(`expected a bundle of ${id}, got none`)
      // With the map: a comment that moves lines makes a version of its own, or stacks would name the old ones.
      const version = createHash('sha256').update(code).update(map).digest('hex').slice(0, 12)
      const path = join(buildDir, `${id}-${version}${extension}`)
      await mkdir(dirname(path), { recursive: true })
      await keepWhole(`${path}.map`, map)
      await keepWhole(path, code)
      const { inputs = {}, imports = [] } = metafile.outputs[relative(root, output)] ?? {}
      const external = imports.flatMap((found) =>
        found.external && isAbsolute(found.path) ? [found.path] : [],
      )
      const asksForSandbox = ASKS_FOR_SANDBOX.test(Buffer.from(code).toString())
      const written = [path, `${path}.map`]
      const modules = Object.keys(inputs).map((name) => join(root, name))
      return {
        bundle: { path, version, external: [...new Set(external)], modules, asksForSandbox },
        inputs: await readInputs(root, Object.keys(inputs), written, begunMs),
      }
    }),
  )
}

/** A file that is there is left alone if it is whole: a power cut may have left its name without its content. */
async function keepWhole(path: string, contents: Uint8Array): Promise<void> {
  const found = await readFile(path).catch(() => null)
  if (!found?.equals(contents)) await writeWhole(path, contents)
}

/** Nobody sees half a file, even when several processes write it. */
async function writeWhole(path: string, contents: Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, contents)
  await rename(temporary, path)
}

function firstError({ errors, message }: BuildFailure): string {
  const [first, ...more] = errors ?? []
  if (!first) return message
  return `${first.text}${place(first)}${more.length > 0 ? ` and ${more.length} more` : ''}`
}

function place({ location }: Message): string {
  return location ? ` (${location.file}:${location.line}:${location.column + 1})` : ''
}
