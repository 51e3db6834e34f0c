import { realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TappetError } from '../errors.ts'
import { query } from './client.ts'
import { DATABASE, ensureCluster, readPassword, ROLE } from './cluster.ts'
import { chooseIdentity } from './identity.ts'
import { folderError, giveTo, type Layout, openFolder, type Progress } from './layout.ts'
import { choosePort, rememberPort } from './port.ts'
import { findPackage, preparePrograms } from './programs.ts'
import { findRunning, launch, logEnd, logSince, type Running, stopServer } from './server.ts'

export interface EmbeddedPostgres {
  /** `postgres://postgres:<password>@127.0.0.1:<port>/tappet`, a superuser. */
  readonly url: string
  readonly port: number
  /** Of the server, for example `18.4`. */
  readonly version: string
  /** How it came to run: a new cluster, one of before, or one that still ran after its process was killed. */
  readonly origin: 'created' | 'started' | 'adopted'
  /** False when it has ended, by `stop` or by itself. */
  isThere(): Promise<boolean>
  /** Fast shutdown; resolves when the postmaster is gone. Idempotent. */
  stop(): Promise<void>
}

export interface EmbeddedOptions {
  /** Holds the cluster, its password and its log, for example `<project>/.tappet/pg`. */
  readonly folder: string
  /** Default: the port of last time when it is free, else any free one. */
  readonly port?: number
  /** Told about what takes time. */
  readonly onProgress?: (message: string) => void
  /** Server settings over ours. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Starts that fail for a reason that passes, such as a port taken in the meantime, are tried again. */
const PASSING = /Address already in use|could not create any TCP|already exists|still in use/
const ATTEMPTS = 20
const ATTEMPT_PAUSE_MS = 250

/**
 * Makes a cluster in the folder when there is none, and starts it, or takes over a server that still runs in it. The
 * server outlives us unless it is stopped: nothing is lost when we are killed. The caller sees to it that only one
 * process at a time uses the folder.
 *
 * @throws TappetError TPT_POSTGRES_EMBEDDED, TPT_FOLDER_READONLY, TPT_PORT_TAKEN
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const folder = resolve(options.folder)
  try {
    return await start(await openFolder(folder), options)
  } catch (error) {
    throw folderError(folder, error)
  }
}

async function start(found: Layout, options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const progress = options.onProgress ?? (() => undefined)
  const early = await adopt(found, options, progress)
  if (early) return early
  const identity = await chooseIdentity()
  const layout = await giveTo(found, identity, progress)
  const programs = await preparePrograms(findPackage(), layout.folder, identity, progress)
  const created = await ensureCluster(layout, programs, progress)
  for (let attempt = 1; ; attempt++) {
    const adopted = await adopt(layout, options, progress)
    if (adopted) return adopted
    const port = await choosePort(layout, options.port)
    const logged = await logEnd(layout)
    const running = await launch(layout, programs, { port, settings: options.settings ?? {}, progress })
    if (running) return openOrStop(running, layout, created ? 'created' : 'started')
    const log = await logSince(layout, logged)
    if (attempt === ATTEMPTS || !PASSING.test(log)) throw startError(layout, identity.name, log)
    await sleep(ATTEMPT_PAUSE_MS)
  }
}

/** The server that still runs there, or null. One that is not as wanted is stopped, to be started anew. */
async function adopt(
  layout: Layout,
  { port }: EmbeddedOptions,
  progress: Progress,
): Promise<EmbeddedPostgres | null> {
  const running = await findRunning(layout, progress)
  if (running === null) return null
  if (port === undefined || port === running.port) {
    const adopted = await opened(running, layout, 'adopted').catch(() => null)
    if (adopted) return adopted
  }
  progress(`stopping the Postgres that still runs in ${layout.folder} (pid ${running.pid})`)
  await stopServer(running, layout)
  return null
}

async function openOrStop(
  running: Running,
  layout: Layout,
  origin: 'created' | 'started',
): Promise<EmbeddedPostgres> {
  try {
    return await opened(running, layout, origin)
  } catch (error) {
    await stopServer(running, layout)
    throw error
  }
}

async function opened(
  running: Running,
  layout: Layout,
  origin: EmbeddedPostgres['origin'],
): Promise<EmbeddedPostgres> {
  const { port } = running
  const server = `postgres://${ROLE}:${await readPassword(layout)}@127.0.0.1:${port}`
  const version = await identify(server, layout)
  await rememberPort(layout, port)
  let stopped: Promise<void> | undefined
  return {
    url: `${server}/${DATABASE}`,
    port,
    version,
    origin,
    isThere: running.isThere,
    stop: () => (stopped ??= stopServer(running, layout)),
  }
}

/** Makes sure that it is our server which answers there, and that it has our database; gives its version. */
async function identify(server: string, { data }: Layout): Promise<string> {
  const [found] = await query<{ folder: string; version: string; complete: boolean }>(
    `${server}/postgres`,
    `select current_setting('data_directory') as folder, current_setting('server_version') as version,
       exists (select from pg_database where datname = '${DATABASE}') as complete`,
  )
  const folder = found && (await realpath(found.folder).catch(() => found.folder))
  if (!found || folder !== (await realpath(data))) {
    throw new TappetError(
      'TPT_POSTGRES_EMBEDDED',
      `expected the Postgres of ${data}, got the one of ${folder}`,
    )
  }
  if (!found.complete) await query(`${server}/postgres`, `create database ${DATABASE}`).catch(ignoreDuplicate)
  return found.version
}

/** Another start beside ours may have made it in the meantime. */
function ignoreDuplicate(error: Error & { code?: string }): void {
  if (error.code !== '42P04' && error.code !== '23505') throw error
}

function startError({ folder, log }: Layout, as: string, output: string): TappetError {
  const end = output.slice(-1_000) || 'it said nothing'
  return new TappetError(
    'TPT_POSTGRES_EMBEDDED',
    `the Postgres in ${folder} ended at its start as ${as} (${log}): ${end}`,
  )
}
