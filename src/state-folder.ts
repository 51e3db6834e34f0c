import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TappetError } from './errors.ts'

/** What a running process tells the command line about itself. */
export interface Running {
  readonly pid: number
  readonly url: string
  /** Of the ledger's database. */
  readonly databaseUrl: string
}

/** The project's `.tappet/`: what Tappet keeps between starts. Readable by its owner alone. */
export interface StateFolder {
  readonly path: string
  /** Makes sure that this is the only process that works here, until `release`. */
  lock(): Promise<void>
  release(): Promise<void>
  /** The admin key: made at the first call, the same ever after. */
  adminKey(): Promise<string>
  announce(running: Running): Promise<void>
  /** What the process that works here has announced; null if there is none. */
  running(): Promise<Running | null>
}

/** @throws TappetError TPT_FOLDER_READONLY when it cannot be made or written. */
export async function openStateFolder(path: string): Promise<StateFolder> {
  await writable(path, () => mkdir(path, { recursive: true, mode: 0o700 }))
  const file = (name: string): string => join(path, name)
  await writable(path, () => writeFile(file('.gitignore'), '*\n'))
  return {
    path,
    lock: () => lock(file('lock')),
    release: async () => {
      await rm(file('running.json'), { force: true })
      await rm(file('lock'), { force: true })
    },
    adminKey: () => readOrMakeKey(file('admin.key')),
    announce: (running) => replace(file('running.json'), JSON.stringify(running)),
    running: () => readRunning(file('running.json')),
  }
}

interface Owner {
  readonly pid: number
  /** When the kernel started it, so that a later process with the same pid is not mistaken for it; null: unknown. */
  readonly started: string | null
}

async function lock(path: string): Promise<void> {
  const owner: Owner = { pid: process.pid, started: await startOf(process.pid) }
  for (let tries = 0; tries < 5; tries++) {
    try {
      await writeFile(path, JSON.stringify(owner), { flag: 'wx', mode: 0o600 })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const other = await readJson<Owner>(path)
    if (other && (await isAlive(other))) {
      const message = `another Tappet (process ${other.pid}) is working in this folder`
      throw new TappetError('TPT_ALREADY_RUNNING', message)
    }
    await rm(path, { force: true })
  }
  throw new TappetError('TPT_ALREADY_RUNNING', 'other processes keep taking the lock of this folder')
}

async function isAlive({ pid, started }: Owner): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  return started === null || (await startOf(pid)) === started
}

/** Field 22 of /proc/<pid>/stat; null where there is no /proc. */
async function startOf(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null
}

async function readOrMakeKey(path: string): Promise<string> {
  const known = (await readFile(path, 'utf8').catch(() => '')).trim()
  if (known !== '') return known
  const key = `tpt_${randomBytes(32).toString('base64url')}`
  await replace(path, `${key}\n`)
  return key
}

async function readRunning(path: string): Promise<Running | null> {
  const running = await readJson<Running>(path)
  if (!running) return null
  return (await isAlive({ pid: running.pid, started: null })) ? running : null
}

async function readJson<T>(path: string): Promise<T | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T
  } catch {
    return null
  }
}

/** Whole or not at all, for whoever reads it meanwhile. */
async function replace(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}`
  await writeFile(draft, text, { mode: 0o600 })
  await rename(draft, path)
}

async function writable(path: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== 'EACCES' && code !== 'EROFS' && code !== 'EPERM') throw cause
    throw new TappetError('TPT_FOLDER_READONLY', `${path} cannot be written (${code})`, { cause })
  }
}
