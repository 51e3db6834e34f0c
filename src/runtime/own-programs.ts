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
}

let program: Promise<Program> | undefined

/** How runners are started here. Found out once. */
export function runnerProgram(): Promise<Program> {
  return (program ??= findProgram())
}

/** With `setpriv`, a runner dies with its supervisor even when it is too busy to see that its socket has closed. */
async function findProgram(): Promise<Program> {
  const file = await ownFile('runner')
  const node = process.execPath
  const dieWithParent = ['--pdeathsig', 'KILL', '--']
  const run = promisify(execFile)
  try {
    // By its full path: it would be looked for on the PATH of the function.
    const { stdout } = await run('sh', ['-c', 'command -v setpriv'], { timeout: 5_000 })
    const command = stdout.trim()
    await run(command, [...dieWithParent, node, '--version'], { timeout: 5_000 })
    return { command, before: [...dieWithParent, node], after: [file] }
  } catch {
    return { command: node, before: [], after: [file] }
  }
}
