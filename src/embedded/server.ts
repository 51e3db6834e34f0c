import { open, rename, rm, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { TappetError } from '../errors.ts'
import { spawnAs } from './identity.ts'
import type { Layout, Progress } from './layout.ts'
import { isAlive, isPostmaster, lockFilePath, readLockFile } from './lock-file.ts'
import type { Programs } from './programs.ts'

/** A postmaster that accepts connections. */
export interface Running {
  readonly pid: number
  readonly port: number
  readonly isThere: () => Promise<boolean>
}

export interface LaunchOptions {
  readonly port: number
  /** Over ours. */
  readonly settings: Readonly<Record<string, string>>
  readonly progress: Progress
}

/** The durable ones are Postgres's defaults too; said here, no configuration file undoes them. */
const SETTINGS = {
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  wal_level: 'logical',
  max_connections: '200',
  shared_buffers: '128MB',
  autovacuum_naptime: '10s',
  jit: 'off',
  log_line_prefix: '%m [%p] ',
}

/** Nobody but this machine can reach it. */
const LOOPBACK_ONLY = { listen_addresses: '127.0.0.1', unix_socket_directories: '' }

const POLL_MS = 10
/** After a crash it replays up to 1 GB of log first. */
const START_MS = 300_000
const SLOW_START_MS = 3_000
const FAST_STOP_MS = 60_000
const IMMEDIATE_STOP_MS = 10_000
const LOG_MAX_BYTES = 10_000_000

/** The postmaster that already runs in this data folder. A lock file that only looks like one is removed. */
export async function findRunning({ data }: Layout, progress: Progress): Promise<Running | null> {
  const lock = await readLockFile(data)
  if (lock === null) return null
  const isThere = (): Promise<boolean> => isPostmaster(lock.pid, data)
  if (await isThere()) return untilReady(data, { pid: lock.pid, isThere }, progress)
  // Postgres heals a dead pid by itself, and looks for orphans of that postmaster; not a pid that is used again.
  if (lock.pid === 0 || isAlive(lock.pid)) await rm(lockFilePath(data), { force: true })
  return null
}

/**
 * Starts a postmaster in a process group of its own, so that a Ctrl-C reaches us and not it; null when it ended, for
 * `logSince` to tell why.
 */
export async function launch(
  layout: Layout,
  programs: Programs,
  options: LaunchOptions,
): Promise<Running | null> {
  const settings = {
    ...SETTINGS,
    ...options.settings,
    ...LOOPBACK_ONLY,
    port: String(options.port),
  }
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const log = await open(layout.log, 'a', 0o600)
  const child = spawnAs(programs.identity, programs.postgres, ['-D', layout.data, ...args], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  })
  let failed = false
  child.on('error', () => (failed = true))
  await log.close()
  const isThere = async (): Promise<boolean> =>
    !failed && child.exitCode === null && child.signalCode === null
  if (child.pid === undefined) return null
  const running = await untilReady(layout.data, { pid: child.pid, isThere }, options.progress)
  child.unref()
  return running
}

/** Where the server's log ends now; a long one is put aside first. */
export async function logEnd({ log }: Layout): Promise<number> {
  const { size } = await stat(log).catch(() => ({ size: 0 }))
  if (size < LOG_MAX_BYTES) return size
  await rename(log, `${log}.1`)
  return 0
}

export async function logSince({ log }: Layout, position: number): Promise<string> {
  const file = await open(log, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64_000), 0, 64_000, position)
    return buffer.toString('utf8', 0, bytesRead).trim()
  } finally {
    await file.close()
  }
}

/** Fast shutdown: open transactions are rolled back, everything committed is on disk. Resolves when it is gone. */
export async function stopServer({ pid, isThere }: Running, { folder }: Layout): Promise<void> {
  const ended = (await endWith('SIGINT', FAST_STOP_MS)) || (await endWith('SIGQUIT', IMMEDIATE_STOP_MS))
  if (!ended)
    throw new TappetError('TPT_POSTGRES_EMBEDDED', `the Postgres in ${folder} (pid ${pid}) does not stop`)

  async function endWith(signal: NodeJS.Signals, ms: number): Promise<boolean> {
    const deadline = performance.now() + ms
    if (await isThere()) process.kill(pid, signal)
    while (await isThere()) {
      if (performance.now() > deadline) return false
      await sleep(POLL_MS)
    }
    return true
  }
}

type Candidate = Pick<Running, 'pid' | 'isThere'>

/** Null when it ended before it was ready. */
async function untilReady(
  data: string,
  { pid, isThere }: Candidate,
  progress: Progress,
): Promise<Running | null> {
  const begun = performance.now()
  let told = false
  while (await isThere()) {
    const lock = await readLockFile(data)
    if (lock?.pid === pid && lock.port > 0 && lock.status === 'ready')
      return { pid, port: lock.port, isThere }
    const elapsedMs = performance.now() - begun
    if (elapsedMs > START_MS) {
      throw new TappetError(
        'TPT_POSTGRES_EMBEDDED',
        `the Postgres in ${data} is not ready after ${START_MS} ms`,
      )
    }
    if (elapsedMs > SLOW_START_MS && !told) progress(`waiting for the Postgres in ${data}`)
    told ||= elapsedMs > SLOW_START_MS
    await sleep(POLL_MS)
  }
  return null
}
