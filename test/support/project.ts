import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { eventually } from './eventually.ts'

const REPOSITORY = join(import.meta.dirname, '..', '..')
const CLI = join(REPOSITORY, 'dist', 'bin', 'tappet.js')

export type Environment = Readonly<Record<string, string>>

/** A folder with functions, as a user has one, and the processes that run in it. */
export interface Project {
  readonly folder: string
  write(file: string, text: string): Promise<void>
  /** `tappet start` (or another verb) until it is ready. */
  start(environment: Environment, args?: readonly string[]): Promise<Running>
  /** One command, to its end. */
  run(args: readonly string[], environment?: Environment): Promise<Finished>
  /** What functions have written with `oracle(text)`, a line each. */
  oracle(): Promise<string[]>
  /** Kills what still runs, and removes the folder. */
  remove(): Promise<void>
}

export interface Running {
  readonly url: string
  readonly key: string
  readonly child: ChildProcess
  /** What it wrote to stdout and stderr. */
  output(): string
  /** SIGKILL, and gone. */
  kill(): Promise<void>
  /** SIGTERM, and its exit code. */
  stop(): Promise<number | null>
  api<T = Record<string, unknown>>(path: string, init?: RequestInit): Promise<T>
}

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The first lines of every function that uses the oracle: a synchronous write, so that a kill cannot lose it. */
export const ORACLE = `
import { appendFileSync } from 'node:fs'
const oracle = (text: string): void => appendFileSync('oracle.log', text + '\\n')
`

export async function makeProject(
  files: Readonly<Record<string, string>>,
  within = tmpdir(),
): Promise<Project> {
  const folder = await mkdtemp(join(within, 'tappet-project-'))
  await symlink(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'))
  appendFileSync(join(folder, 'oracle.log'), '')
  const running = new Set<ChildProcess>()

  const write = async (file: string, text: string): Promise<void> => {
    await mkdir(dirname(join(folder, file)), { recursive: true })
    await writeFile(join(folder, file), text)
  }
  for (const [file, text] of Object.entries(files)) await write(file, text)

  const launch = (
    args: readonly string[],
    environment: Environment,
  ): { child: ChildProcess; text: { out: string; err: string } } => {
    const env = {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      TMPDIR: process.env.TMPDIR,
      LOG_FORMAT: 'json',
      ...environment,
    }
    const child = spawn(process.execPath, [CLI, ...args], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(child)
    child.once('exit', () => running.delete(child))
    const text = { out: '', err: '' }
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text.out += chunk))
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (text.err += chunk))
    return { child, text }
  }

  return {
    folder,
    write,
    async start(environment, args = ['start', '--port', '0']) {
      const { child, text } = launch(args, environment)
      const output = (): string => text.out + text.err
      const url = await eventually(
        async () => {
          if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${output()}`)
          const known = JSON.parse(await readFile(join(folder, '.tappet', 'running.json'), 'utf8')) as {
            pid: number
            url: string
          }
          return known.pid === child.pid ? known.url : null
        },
        'the process is ready',
        30_000,
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${output()}`)
      })
      const key =
        environment.TAPPET_ADMIN_TOKEN ??
        (await readFile(join(folder, '.tappet', 'admin.key'), 'utf8')).trim()
      return { url, key, child, output, ...control(child), api: (path, init) => api(url, key, path, init) }
    },
    async run(args, environment = {}) {
      const { child, text } = launch(args, environment)
      const code = await ended(child)
      return { code, stdout: text.out, stderr: text.err }
    },
    async oracle() {
      return (await readFile(join(folder, 'oracle.log'), 'utf8')).split('\n').filter(Boolean)
    },
    async remove() {
      for (const child of running) {
        child.kill('SIGTERM')
        const stopped = await Promise.race([ended(child).then(() => true), sleep(10_000)])
        if (stopped !== true) child.kill('SIGKILL')
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function control(child: ChildProcess): Pick<Running, 'kill' | 'stop'> {
  return {
    async kill() {
      child.kill('SIGKILL')
      await ended(child)
    },
    async stop() {
      child.kill('SIGTERM')
      return ended(child)
    },
  }
}

function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)))
}

function sleep(ms: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), ms).unref())
}

async function api<T>(url: string, key: string, path: string, init: RequestInit = {}): Promise<T> {
  const headers = { authorization: `Bearer ${key}`, ...(init.headers as Record<string, string>) }
  const response = await fetch(new URL(path, url), { ...init, headers })
  if (!response.ok)
    throw new Error(`${init.method ?? 'GET'} ${path}: ${response.status} ${await response.text()}`)
  return (await response.json()) as T
}
