import { execFile } from 'node:child_process'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'

const SOURCE = import.meta.url.endsWith('.ts')

const files = new Map<string, Promise<string>>()

/** The file that the supervisor starts with. */
export const supervisorFile = (): Promise<string> => ownFile('supervisor')

/** The file of the thread that reads source maps. */
export const stacksFile = (): Promise<string> => ownFile('stacks')

/** Our own programs: each one file, which a process has read sooner than many. */
export const PROGRAMS = ['runner', 'supervisor', 'stacks'] as const
type Name = (typeof PROGRAMS)[number]

/** Made with the rest of `dist`, or now when the code runs from source, beside the packages that it may need. */
function ownFile(name: Name): Promise<string> {
  const inCache = beside(`../../node_modules/.cache/tappet/${name}.cjs`)
  const built = Promise.resolve(beside(`./${name}/main.cjs`))
  const known = files.get(name) ?? (SOURCE ? bundleProgram(name, inCache) : built)
  files.set(name, known)
  return known
}

/** Writes one of our programs to `path`, and gives that. */
export async function bundleProgram(name: Name, path = beside(`./${name}/main.cjs`)): Promise<string> {
  const { outputFiles } = await build({
    ...{ bundle: true, write: false, format: 'cjs', platform: 'node', logLevel: 'silent' },
    target: 'node20',
    entryPoints: [beside(`./${name}/main.${SOURCE ? 'ts' : 'js'}`)],
    outfile: path,
    define: { 'import.meta.url': '__tappetUrl' },
    banner: { js: 'const __tappetUrl = require("node:url").pathToFileURL(__filename).href;' },
  })
  const [output] = outputFiles
  if (!output) throw new Error(`expected a bundle of the ${name}, got none`)
  await mkdir(dirname(path), { recursive: true })
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, output.contents)
  await rename(temporary, path)
  return path
}

function beside(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url))
}

/** A command line to which flags for Node are added before the rest. */
export interface Program {
  readonly command: string
  readonly before: readonly string[]
  readonly after: readonly string[]
  /** Path of the program that limits a process, if there is one. */
  readonly prlimit: string | null
}

let program: Promise<Program> | undefined

/** How runners are started here. Found out once. */
export function runnerProgram(): Promise<Program> {
  return (program ??= findProgram())
}

/** With `setpriv`, a runner dies with its supervisor even when it is too busy to see that its socket has closed. */
async function findProgram(): Promise<Program> {
  const [file, prlimit, setpriv] = await Promise.all([
    ownFile('runner'),
    findCommand('prlimit', ['--data']),
    findCommand('setpriv', [...DIE_WITH_PARENT, process.execPath, '--version']),
  ])
  const node = process.execPath
  return setpriv === null
    ? { command: node, before: [], after: [file], prlimit }
    : { command: setpriv, before: [...DIE_WITH_PARENT, node], after: [file], prlimit }
}

const DIE_WITH_PARENT = ['--pdeathsig', 'KILL', '--']

/** Its full path, if it is there and takes these arguments: it would be looked for on the PATH of the function. */
export async function findCommand(name: string, args: readonly string[]): Promise<string | null> {
  const run = promisify(execFile)
  try {
    const { stdout } = await run('sh', ['-c', `command -v ${name}`], { timeout: 5_000 })
    const command = stdout.trim()
    await run(command, args, { timeout: 5_000 })
    return command
  } catch {
    return null
  }
}

/** What stands before a command line so that it dies with this process, however that ends; nothing where that cannot be had. */
export async function parentGuard(): Promise<readonly string[]> {
  const setpriv = await findCommand('setpriv', [...DIE_WITH_PARENT, process.execPath, '--version'])
  return setpriv === null ? [] : [setpriv, ...DIE_WITH_PARENT]
}
