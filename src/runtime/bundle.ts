import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type BuildFailure, type BuildOptions, type Message, type OutputFile, stop } from 'esbuild'
import { nativePackages } from './native-packages.ts'

/** A function's file with all that it imports, written down for good under a name that says what is in it. */
export interface Bundle {
  readonly path: string
  /** First 12 hexadecimal digits of the sha256 of the code and its source map. */
  readonly version: string
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

/** CommonJS modules in an ES module still ask for these. */
const BANNER = [
  "import { createRequire as __tappetRequire } from 'node:module'",
  "import { fileURLToPath as __tappetPath } from 'node:url'",
  'const require = __tappetRequire(import.meta.url)',
  'const __filename = __tappetPath(import.meta.url)',
  "const __dirname = __tappetPath(new URL('.', import.meta.url))",
].join(';')

const OPTIONS = {
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'node',
  target: `node${process.versions.node}`,
  outExtension: { '.js': '.mjs' },
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'silent',
} as const satisfies BuildOptions

/** Bundles all entries, in their order. One that does not compile has no influence on the others. */
export async function bundleFunctions(
  root: string,
  buildDir: string,
  entries: readonly Entry[],
): Promise<(Bundle | Broken)[]> {
  if (entries.length === 0) return []
  const built = await compile(root, buildDir, entries).catch(() => null)
  // Together they share the parsing of what they import; apart, each has errors of its own.
  if (built) return writeAll(entries, built, buildDir)
  return Promise.all(entries.map((entry) => bundleOne(root, buildDir, entry)))
}

async function bundleOne(root: string, buildDir: string, entry: Entry): Promise<Bundle | Broken> {
  let outputs: OutputFile[]
  try {
    outputs = await compile(root, buildDir, [entry])
  } catch (error) {
    return { error: firstError(error as BuildFailure) }
  }
  const [bundle] = await writeAll([entry], outputs, buildDir)
  return bundle ?? { error: 'the compiler gave nothing' }
}

async function compile(root: string, buildDir: string, entries: readonly Entry[]): Promise<OutputFile[]> {
  const result = await buildAgain({
    ...OPTIONS,
    absWorkingDir: root,
    entryPoints: entries.map(({ id, path }) => ({ in: path, out: id })),
    outdir: buildDir,
    sourcemap: 'external',
    sourcesContent: false,
    alias: { tappet: TAPPET },
    banner: { js: BANNER },
    plugins: [nativePackages],
  })
  return result.outputFiles
}

/** The compiler is a process, and may have been killed: another is started then. */
async function buildAgain(
  options: BuildOptions & { readonly write: false },
): Promise<{ readonly outputFiles: OutputFile[] }> {
  try {
    return await build(options)
  } catch (error) {
    if (!/service (is no longer running|was stopped)/.test((error as Error).message)) throw error
    await stop()
    return build(options)
  }
}

async function writeAll(
  entries: readonly Entry[],
  outputs: readonly OutputFile[],
  buildDir: string,
): Promise<Bundle[]> {
  const byPath = new Map(outputs.map((output) => [output.path, output.contents]))
  return Promise.all(
    entries.map(async ({ id }) => {
      const code = byPath.get(join(buildDir, `${id}.mjs`))
      const map = byPath.get(join(buildDir, `${id}.mjs.map`))
      if (!code || !map) throw new Error(`expected a bundle of ${id}, got none`)
      // With the map: a comment that moves lines makes a version of its own, or stacks would name the old ones.
      const version = createHash('sha256').update(code).update(map).digest('hex').slice(0, 12)
      const path = join(buildDir, `${id}-${version}.mjs`)
      const comment = `//# sourceMappingURL=${encodeURI(basename(path))}.map\n`
      await mkdir(dirname(path), { recursive: true })
      await keepWhole(`${path}.map`, map)
      await keepWhole(path, Buffer.concat([code, Buffer.from(comment)]))
      return { path, version }
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
