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

/** One of our own programs. Run from source, it is bundled first, beside the packages that it may need. */
function ownFile(name: string): Promise<string> {
  const known = files.get(name) ?? (SOURCE ? bundle(name) : Promise.resolve(beside(`./${name}/main.js`)))
  files.set(name, known)
  return known
}

async function bundle(name: string): Promise<string> {
  const path = beside(`../../node_modules/.cache/tappet/${name}.mjs`)
  const { outputFiles } = await build({
    ...{ bundle: true, write: false, format: 'esm', platform: 'node', logLevel: 'silent' },
    target: `node${process.versions.node}`,
    entryPoints: [beside(`./${name}/main.ts`)],
    outfile: path,
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
async function findCommand(name: string, args: readonly string[]): Promise<string | null> {
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
