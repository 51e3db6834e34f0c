import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { processesIn } from '../support/embedded.ts'
import { eventually } from '../support/eventually.ts'
import { isAlive } from '../chaos/cluster.ts'

const REPOSITORY = join(import.meta.dirname, '..', '..')

export const KEY = 'powercut-key-of-more-than-twenty-characters'

export interface SiteOptions {
  /** On the disk whose power is cut. */
  readonly disk: string
  /** Of the uploads: another disk, or a sync of the ledger would flush them, too. */
  readonly uploads: string
  /** Of what functions write and processes log: outside of it. */
  readonly outside: string
  readonly engine: 'redis' | 'postgres'
  readonly cli: string
  readonly environment: Readonly<Record<string, string>>
  readonly port: number
}

/** A project on the disk, with a Tappet whose Postgres, uploads and perhaps Redis are there too. */
export interface Site {
  readonly url: string
  /** Resolves when it takes events in. Its database's URL. */
  start(): Promise<string>
  /** One command in the project, to its end. */
  run(...args: readonly string[]): Promise<void>
  /** All at once, with -9, right after `first`. */
  kill(first?: () => Promise<void>): Promise<void>
}

/** Makes the project; nothing runs yet. */
export async function makeSite(options: SiteOptions): Promise<Site> {
  const { disk, uploads, outside, engine, cli, environment, port } = options
  const project = join(disk, 'project')
  await mkdir(join(project, 'functions'), { recursive: true })
  await mkdir(join(disk, 'redis'), { recursive: true })
  await mkdir(join(project, '.tappet'), { mode: 0o700 })
  await mkdir(join(uploads, 'uploads'), { mode: 0o700 })
  await symlink(join(uploads, 'uploads'), join(project, '.tappet', 'uploads'))
  await symlink(join(REPOSITORY, 'node_modules'), join(project, 'node_modules'))
  for (const [name, text] of Object.entries(functions(join(outside, 'oracle.log'))))
    await writeFile(join(project, 'functions', name), text)
  await writeFile(join(outside, 'oracle.log'), '')
  // It is there before the first cut, whatever becomes of that.
  for (const path of [disk, uploads]) await promisify(execFile)('sync', ['-f', path])
  const log = openSync(join(outside, 'log'), 'a')
  const launch = (command: string, args: readonly string[], cwd: string): ChildProcess => {
    const env = {
      ...{ PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: outside },
      ...{ TAPPET_ADMIN_TOKEN: KEY, PORT: String(port), LOG_LEVEL: 'warn', LOG_FORMAT: 'json' },
      ...(engine === 'redis' && { REDIS_URL: `redis://127.0.0.1:${port + 1}` }),
      ...environment,
    }
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', log, log], detached: true })
    child.on('error', () => undefined)
    return child
  }
  /** It refuses a log whose end the cut has torn: then it begins with nothing, which must lose nothing either. */
  const startRedis = async (): Promise<void> => {
    const folder = join(disk, 'redis')
    const answers = (): Promise<boolean> => isReady(port + 1)
    launch('redis-server', redisArgs(folder, port + 1), folder)
    if (await eventually(answers, 'Redis answers', 3_000).catch(() => false)) return
    await rm(folder, { recursive: true })
    await mkdir(folder)
    launch('redis-server', redisArgs(folder, port + 1), folder)
    await eventually(answers, 'Redis answers', 60_000)
  }
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    async start() {
      if (engine === 'redis') await startRedis()
      const { pid } = launch(process.execPath, [cli, 'start'], project)
      const announced = async (): Promise<string | null> => {
        const text = await readFile(join(project, '.tappet', 'running.json'), 'utf8')
        const running = JSON.parse(text) as { readonly pid: number; readonly databaseUrl: string }
        return running.pid === pid ? running.databaseUrl : null
      }
      return eventually(announced, 'Tappet has announced itself', 60_000)
    },
    async run(...args) {
      const child = launch(process.execPath, [cli, ...args], project)
      const [code] = (await once(child, 'exit')) as [number | null]
      if (code !== 0)
        throw new Error(`tappet ${args.join(' ')} ended with ${code}: see ${join(outside, 'log')}`)
    },
    async kill(first = async () => undefined) {
      const killAll = (pids: readonly number[]): void => {
        for (const pid of pids) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
      }
      // All of them work in a folder on the disk. Postgres may start one more while we look.
      const known = await processesIn(disk)
      await first()
      killAll(known)
      const allGone = async (): Promise<boolean> => {
        const left = await processesIn(disk)
        killAll(left)
        return left.length === 0
      }
      await eventually(allGone, 'all are gone', 20_000)
    },
  }
}

/** A PING that came back: while Redis reads its log, it listens and says no. */
function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    const answer = (ready: boolean): void => {
      socket.destroy()
      resolve(ready)
    }
    socket.once('data', (data) => answer(data.toString().startsWith('+PONG')))
    socket.once('error', () => answer(false)).once('close', () => answer(false))
  })
}

/** As its documentation recommends: a second of jobs may be lost. */
function redisArgs(folder: string, port: number): string[] {
  const network = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder]
  return [...network, '--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec']
}

/** They tell what they did by a synchronous write to a file outside of the disk. */
function functions(oracle: string): Record<string, string> {
  const on = (trigger: string, kind: string, n: string): string =>
    `import { cron, defineFunction, http, postgres, queue, upload } from 'tappet'
import { appendFileSync } from 'node:fs'
void [cron, http, postgres, queue, upload]
export default defineFunction({ on: ${trigger}, retry: { attempts: 3, delay: '500ms' } }, async (event) => {
  appendFileSync(${JSON.stringify(oracle)}, '${kind} ' + ${n} + '\\n')
})
`
  const data = '(event.data as { n: number }).n'
  const kinds = ['put', 'form', 'tus']
  return {
    'http.ts': on(`http.post('/http')`, 'http', data),
    'sql.ts': on(`queue('sql')`, 'sql', data),
    'row.ts': on(`postgres.table('things').onInsert()`, 'row', 'event.data.id'),
    'tick.ts': on(`cron('* * * * * *', { catchUp: 'all' })`, 'tick', 'event.data.scheduledAt'),
    ...Object.fromEntries(
      kinds.map((kind) => [`${kind}.ts`, on(`upload('${kind}/:id')`, kind, 'event.data.params.id')]),
    ),
  }
}
