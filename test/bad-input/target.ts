import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { Pool } from 'pg'
import { startEmbeddedPostgres } from '../../src/embedded/postgres.ts'
import type { QueueEngine } from '../support/engines.ts'
import { makeProject, type Running } from '../support/project.ts'
import { startRedis } from '../support/redis-server.ts'
import { SECRETS } from './classes/signers.ts'
import { FUNCTIONS, PREPARE } from './project.ts'
import { type Reply, type Request, send as sendTo, sendRaw as sendRawTo, type RawOptions } from './wire.ts'

/** A server as people run it, and a look from outside at all that it must not do. */
export interface Target {
  readonly key: string
  readonly folder: string
  readonly pid: number
  send(request: Request): Promise<Reply>
  /** With the admin key. */
  admin(request: Request): Promise<Reply>
  sendRaw(chunks: readonly (string | Buffer)[], options?: RawOptions): Promise<readonly Reply[]>
  sql<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** How many events the ledger holds. */
  events(): Promise<number>
  /** Since the last call. */
  pulse(): Promise<Pulse>
  ended(): boolean
  /** What is wrong with the process or its disk, a sentence each. */
  damage(): Promise<readonly string[]>
  stop(): Promise<void>
}

/** How the server's event loop and memory have been. */
export interface Pulse {
  readonly wallMs: number
  readonly cpuMs: number
  readonly rssBytes: number
}

const ADMIN_KEY = 'bad-input-key-of-more-than-twenty-characters'
const REPOSITORY = join(import.meta.dirname, '..', '..')

export async function startTarget(engine: QueueEngine): Promise<Target> {
  const sandbox = await mkdtemp(join(tmpdir(), 'tappet-bad-input-'))
  const postgres = await startEmbeddedPostgres({ folder: join(sandbox, 'pg') })
  const redis = engine === 'redis' ? await startRedis() : null
  if (engine === 'redis' && !redis) throw new Error('bad-input on Redis needs redis-server on the PATH')
  const pool = new Pool({ connectionString: postgres.url, max: 4 })
  // The server is stopped while connections are still being closed.
  pool.on('error', () => undefined)
  await pool.query(PREPARE)
  await mkdir(join(sandbox, 'tmp'))
  const project = await makeProject(FUNCTIONS, sandbox)
  const monitor = join(sandbox, 'monitor.sock')
  const applied = await project.run(['db', 'apply'], { ...SECRETS, DATABASE_URL: postgres.url })
  if (applied.code !== 0) throw new Error(applied.stderr)
  const running = await project.start({
    ...SECRETS,
    LOG_LEVEL: 'warn',
    TMPDIR: join(sandbox, 'tmp'),
    DATABASE_URL: postgres.url,
    ...(redis && { REDIS_URL: redis.url }),
    TAPPET_ADMIN_TOKEN: ADMIN_KEY,
    BAD_INPUT_MONITOR: monitor,
    NODE_OPTIONS: `--import=${join(REPOSITORY, 'test/bad-input/loop-monitor.mjs')}`,
  })
  const port = Number(new URL(running.url).port)
  const authorization = `Bearer ${ADMIN_KEY}`
  return {
    key: ADMIN_KEY,
    folder: project.folder,
    pid: running.child.pid ?? 0,
    send: (request) => sendTo(port, request),
    admin: (request) => sendTo(port, { ...request, headers: { authorization, ...request.headers } }),
    sendRaw: (chunks, options) => sendRawTo(port, chunks, options),
    sql: async (text, values = []) => (await pool.query(text, [...values])).rows,
    events: async () => Number((await pool.query('select count(*) from tappet.events')).rows[0].count),
    pulse: () => readPulse(monitor),
    ended: () => hasEnded(running),
    damage: async () => [...signs(running), ...(await strangers(sandbox, project.folder))],
    async stop() {
      await running.stop()
      await project.remove()
      await pool.end()
      await redis?.stop()
      await postgres.stop()
      await rm(sandbox, { recursive: true, force: true })
    },
  }
}

function readPulse(path: string): Promise<Pulse> {
  return new Promise((resolve, reject) => {
    let text = ''
    connect(path)
      .on('data', (chunk: Buffer) => (text += chunk.toString()))
      .on('error', reject)
      .on('end', () => resolve(JSON.parse(text) as Pulse))
  })
}

/** What the process says that it should not have had to say. */
function signs(running: Running): readonly string[] {
  const { child } = running
  const ended = hasEnded(running)
  const lines = running.output().split('\n')
  const failed = lines.filter((line) => /request failed|upload failed|[Uu]nhandled|uncaught/.test(line))
  return [
    ...(ended ? [`the process ended with ${child.exitCode ?? child.signalCode}`] : []),
    ...failed.map((line) => `it logged ${line.slice(0, 500)}`),
  ]
}

function hasEnded({ child }: Running): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** Files that nobody but a sender can have named. */
async function strangers(sandbox: string, folder: string): Promise<readonly string[]> {
  const own = ['monitor.sock', 'pg', 'tmp', relative(sandbox, folder)]
  const ofProject = ['functions', 'node_modules', '.tappet', 'oracle.log']
  const beside = (await readdir(sandbox)).filter((name) => !own.includes(name))
  const within = (await readdir(folder)).filter((name) => !ofProject.includes(name))
  const uploads = await readdir(join(folder, '.tappet', 'uploads'), { recursive: true }).catch(() => [])
  const named = uploads.filter((path) => !/^(drafts|files)(\/file_[0-9a-z]+(\.[a-z]+)*)?$/i.test(path))
  return [...beside, ...within, ...named].map((name) => `there is a file that is not ours: ${name}`)
}
