import assert from 'node:assert/strict'
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { chmod, mkdtemp, readdir, readlink, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import {
  type EmbeddedOptions,
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../src/embedded/postgres.ts'

const CHILD = fileURLToPath(new URL('embedded-child.ts', import.meta.url))

/** A temporary folder that every user may enter. Its removal fails when a process still works in it. */
export async function openFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'tappet-embedded-'))
  await chmod(path, 0o755)
  return {
    path,
    async [Symbol.asyncDispose]() {
      const left = await processesIn(path)
      for (const pid of left) process.kill(pid, 'SIGKILL')
      await rm(path, { recursive: true, force: true })
      assert.deepEqual(left, [], `processes left in ${path}`)
    },
  }
}

/** Like `startEmbeddedPostgres`, for `await using`. */
export async function started(options: EmbeddedOptions): Promise<EmbeddedPostgres & AsyncDisposable> {
  const postgres = await startEmbeddedPostgres(options)
  return { ...postgres, [Symbol.asyncDispose]: () => postgres.stop() }
}

export interface Told {
  readonly url: string
  readonly port: number
  readonly origin: EmbeddedPostgres['origin']
  readonly progress: readonly string[]
  /** Of the error, when it did not start. */
  readonly code?: string
  readonly message?: string
}

export interface StartedChild {
  readonly process: ChildProcess
  /** What it tells about its server. */
  readonly told: Promise<Told>
  /** What it says last, and its exit code. */
  readonly ended: Promise<{ readonly last: string; readonly code: number | null }>
}

/** A process that starts a server, see `embedded-child.ts`; optionally through another command. */
export function startChild(
  folder: string,
  options: SpawnOptions = {},
  through: readonly string[] = [],
): StartedChild {
  const node = [process.execPath, '--import', 'tsx', CHILD, folder]
  const [command = process.execPath, ...args] = [...through, ...node]
  const child = spawn(command, args, { ...options, stdio: ['pipe', 'pipe', 'inherit'] })
  assert.ok(child.stdout)
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  const told = new Promise<Told>((resolve, reject) => {
    reader.once('line', (line) => resolve(JSON.parse(line) as Told))
    reader.once('close', () => reject(new Error('the child ended without a word')))
  })
  told.catch(() => undefined)
  reader.on('line', (line) => lines.push(line))
  const ended = new Promise<{ last: string; code: number | null }>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ last: lines.at(-1) ?? '', code }))
  })
  return { process: child, told, ended }
}

/** Lets the child stop its server and end. */
export async function endChild(child: StartedChild): Promise<void> {
  child.process.kill('SIGINT')
  assert.deepEqual(await child.ended, { last: 'still here', code: 0 })
}

export async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

/** Holds a loopback port, 0 for any, until disposed. */
export async function holdPort(port: number): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve())
  })
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return {
    port: address.port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** Processes whose working folder is in this one; on Linux. */
export async function processesIn(folder: string): Promise<number[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')))
  return pids.filter((_, index) => `${folders[index]}/`.startsWith(`${folder}/`)).map(Number)
}
