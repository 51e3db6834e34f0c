import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../src/embedded/postgres.ts'
import { eventually } from '../support/eventually.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'

const REPOSITORY = join(import.meta.dirname, '..', '..')
const CLI = join(REPOSITORY, 'dist', 'bin', 'tappet.js')
const STOP_MS = 15_000

export const ADMIN_KEY = 'cron-key-of-more-than-twenty-characters'

/** A process of Tappet; whenever it ends another takes its place at once, as a supervisor would see to. */
export interface Node {
  readonly url: string
  pid(): number | undefined
  /** `kill -9` of the process that has the place now. */
  kill(): void
}

export interface Cluster {
  readonly folder: string
  readonly nodes: readonly Node[]
  readonly db: pg.Pool
  readonly databaseUrl: string
  stop(): Promise<void>
}

export interface ClusterOptions {
  readonly engine: 'redis' | 'postgres'
  readonly nodes: number
  /** File name under `functions/` to its text. */
  readonly functions: Readonly<Record<string, string>>
  readonly role?: string
  /** More of the environment of the node at this place. */
  readonly environment?: (place: number, folder: string) => Readonly<Record<string, string>>
}

/** Servers of its own, and as many equal processes of `dist` on one ledger as asked for. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const undo: (() => Promise<unknown>)[] = []
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step()
  }
  try {
    const folder = await makeProject(options.functions)
    undo.push(() => rm(folder, { recursive: true, force: true }))
    const postgres = await startEmbeddedPostgres({ folder: join(folder, 'pg') })
    undo.push(() => postgres.stop())
    const redis = options.engine === 'redis' ? await startRedis() : null
    if (options.engine === 'redis' && !redis) throw new Error('redis-server is not on the PATH')
    if (redis) undo.push(() => redis.stop())
    const nodes = await startNodes(folder, environmentOf(postgres.url, redis), options, undo)
    const db = new pg.Pool({ connectionString: postgres.url, max: 2 })
    db.on('error', () => undefined)
    undo.push(() => db.end())
    return { folder, nodes, db, databaseUrl: postgres.url, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function makeProject(functions: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tappet-cron-'))
  await mkdir(join(folder, 'functions'))
  await symlink(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'))
  for (const [name, text] of Object.entries(functions)) await writeFile(join(folder, 'functions', name), text)
  return folder
}

function environmentOf(databaseUrl: string, redis: RedisServer | null): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env
  return {
    ...{ PATH, HOME, TMPDIR },
    LOG_FORMAT: 'json',
    LOG_LEVEL: 'warn',
    DATABASE_URL: databaseUrl,
    TAPPET_ADMIN_TOKEN: ADMIN_KEY,
    TAPPET_SHUTDOWN_TIMEOUT: '3s',
    ...(redis && { REDIS_URL: redis.url }),
  }
}

async function startNodes(
  folder: string,
  env: NodeJS.ProcessEnv,
  { nodes: count, role = 'all', environment = () => ({}) }: ClusterOptions,
  undo: (() => Promise<unknown>)[],
): Promise<Node[]> {
  spawnSync(process.execPath, [CLI, 'db', 'apply'], { cwd: folder, env, stdio: 'ignore' })
  const log = openSync(join(folder, 'nodes.log'), 'a')
  undo.push(async () => closeSync(log))
  const places: Place[] = []
  undo.push(() => Promise.all(places.map((place) => place.end())))
  for (let place = 0; place < count; place++) {
    const port = await freePort()
    const args = [CLI, 'start', '--port', String(port), '--role', role]
    const own = { ...env, ...environment(place, folder) }
    places.push(
      keepRunning(`http://127.0.0.1:${port}`, () =>
        spawn(process.execPath, args, { cwd: folder, env: own, stdio: ['ignore', log, log] }),
      ),
    )
  }
  for (const { url } of places) {
    await eventually(async () => (await fetch(`${url}/healthz`)).ok, `${url} to answer`, 60_000)
  }
  return places
}

interface Place extends Node {
  end(): Promise<void>
}

function keepRunning(url: string, start: () => ChildProcess): Place {
  let ending = false
  let child = start()
  const keep = (of: ChildProcess): void => {
    of.once('exit', () => {
      if (ending) return
      child = start()
      keep(child)
    })
  }
  keep(child)
  return {
    url,
    pid: () => child.pid,
    kill: () => void child.kill('SIGKILL'),
    async end() {
      ending = true
      const old = child
      if (old.exitCode !== null || old.signalCode !== null) return
      const exit = new Promise<void>((resolve) => old.once('exit', () => resolve()))
      old.kill('SIGTERM')
      const late = setTimeout(() => old.kill('SIGKILL'), STOP_MS)
      await exit
      clearTimeout(late)
    },
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}
