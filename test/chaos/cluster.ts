import type { ChildProcess } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/embedded/postgres.ts'
import { eventually } from '../support/eventually.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { functionsOf } from './functions.ts'
import { launcher, type Node, type Role } from './launcher.ts'
import { keepRoster } from './roster.ts'

/** The default of one process. */
const CONCURRENCY = 10
const REPOSITORY = join(import.meta.dirname, '..', '..')
const CLI = join(REPOSITORY, 'dist', 'bin', 'tappet.js')

/** Servers, proxies before them, and processes that know only the proxies. */
export interface Cluster {
  readonly folder: string
  readonly key: string
  readonly nodes: readonly Node[]
  /** Past the proxy. */
  readonly databaseUrl: string
  readonly redisUrl: string | null
  readonly postgresProxy: Proxy
  readonly redisProxy: Proxy | null
  /** Killed without a checkpoint, as by a power cut of the process, and started again. */
  crashPostgres(): Promise<void>
  /** With all that it held. */
  crashRedis(): Promise<void>
  /** The process id of the server that runs now. */
  postmaster(): Promise<number>
  /** When processes died: by pid, in ms since 1970. */
  readonly deaths: Map<number, number>
  /** The process of each worker that the ledger has known. */
  readonly workers: ReadonlyMap<string, number>
  /** How often Postgres has been crashed. */
  crashes(): number
  /** Runs that all processes together have under way, at most. */
  readonly inFlight: number
  /** When the ledger could not be reached, in ms since 1970. */
  readonly outages: { readonly from: number; readonly until: number }[]
  /** What functions have written. */
  readonly oracleFile: string
  /** What the processes have logged. */
  readonly logFile: string
  stop(): Promise<void>
}

export interface ClusterOptions {
  readonly engine: 'redis' | 'postgres'
  /** The program of `tappet`. Default that of the repository. */
  readonly cli?: string
  /** Default two of each. */
  readonly roles?: readonly Role[]
  /** How long each function takes, without computing. Default 2 ms. */
  readonly restMs?: number
}

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { engine, cli = CLI, roles = ['broker', 'broker', 'worker', 'worker'], restMs = 2 } = options
  const folder = await mkdtemp(join(tmpdir(), 'tappet-chaos-'))
  await mkdir(join(folder, 'functions'))
  await symlink(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'functions', 'chaos.ts'), '')
  for (const [name, text] of Object.entries(functionsOf(restMs)))
    await writeFile(join(folder, 'functions', name), text)
  appendFileSync(join(folder, 'oracle.log'), '')

  let postgres: EmbeddedPostgres = await startEmbeddedPostgres({ folder: join(folder, 'pg') })
  let redis: RedisServer | null = engine === 'redis' ? await startRedis() : null
  if (engine === 'redis' && !redis) throw new Error('chaos on Redis needs redis-server on the PATH')
  const postgresProxy = await startProxy(postgres.url)
  const redisProxy = redis ? await startProxy(redis.url) : null
  const key = 'chaos-key-of-more-than-twenty-characters'
  const environment = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    TMPDIR: process.env.TMPDIR,
    LOG_FORMAT: 'json',
    LOG_LEVEL: 'warn',
    DATABASE_URL: postgresProxy.url,
    TAPPET_ADMIN_TOKEN: key,
    TAPPET_SHUTDOWN_TIMEOUT: '3s',
    TAPPET_CONCURRENCY: String(CONCURRENCY),
    ...(redisProxy && { REDIS_URL: redisProxy.url }),
  }
  const deaths = new Map<number, number>()
  const logFile = join(tmpdir(), `tappet-chaos-${process.pid}-${engine}.log`)
  const launch = launcher({ folder, cli, logFile, env: environment, deaths })
  const nodes: Node[] = []
  await launch.once(['db', 'query', 'create table things (id int primary key)'])
  await launch.once(['db', 'apply'])
  nodes.push(...(await Promise.all(roles.map((role) => launch.node(role)))))
  const roster = keepRoster(postgres.url)
  let crashes = 0
  const postmaster = async (): Promise<number> =>
    Number((await readFile(join(folder, 'pg', 'data', 'postmaster.pid'), 'utf8')).split('\n')[0])

  return {
    folder,
    key,
    nodes,
    deaths,
    workers: roster.workers,
    crashes: () => crashes,
    inFlight: roles.length * CONCURRENCY,
    outages: [],
    oracleFile: join(folder, 'oracle.log'),
    logFile,
    postmaster,
    databaseUrl: postgres.url,
    redisUrl: redis?.url ?? null,
    postgresProxy,
    redisProxy,
    async crashPostgres() {
      crashes++
      const { port } = postgres
      const pid = await postmaster()
      process.kill(pid, 'SIGQUIT')
      await eventually(() => !isAlive(pid), 'Postgres is gone', 20_000)
      postgres = await startEmbeddedPostgres({ folder: join(folder, 'pg'), port })
    },
    async crashRedis() {
      if (!redis) return
      const port = Number(new URL(redis.url).port)
      await redis.stop()
      redis = await startRedis({ port })
    },
    async stop() {
      launch.end()
      await roster.stop()
      await Promise.all(nodes.map(({ child }) => gone(child(), 'SIGTERM')))
      await postgresProxy.close()
      await redisProxy?.close()
      await redis?.stop()
      await postgres.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function gone(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill(signal)
  child.kill('SIGCONT')
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000)
  await exit
  clearTimeout(timer)
}
