import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { TappetError } from './errors.ts'
import { newSecret } from './lib/secret.ts'

/** What a running process tells the command line about itself. */
export interface Running {
  readonly pid: number
  readonly url: string
  /** Of the ledger's database; without its password unless the server is ours. */
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
  /** Takes back what this process has announced. */
  withdraw(): Promise<void>
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
    release: () => rm(file('lock'), { force: true }),
    adminKey: () => readOrMakeKey(file('admin.key')),
    announce: (running) => announce(file('running.json'), running),
    withdraw: async () => {
      const announced = file('running.json')
      if ((await readJson<Running>(announced))?.pid === process.pid) await rm(announced, { force: true })
    },
    running: () => readRunning(file('running.json')),
  }
}

interface Owner {
  readonly pid: number
  /** When the kernel started it, so that a later process with the same pid is not mistaken for it; null: unknown. */
  readonly started: string | null
}

/** How long one that breaks a stale lock needs, and how often others look whether it is done. */
const BREAKING_MS = 5
const MAX_TRIES = 100

async function lock(path: string): Promise<void> {
  const owner: Owner = { pid: process.pid, started: await startOf(process.pid) }
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    if (await create(path, JSON.stringify(owner))) return
    const found = await readFile(path, 'utf8').catch(() => '')
    const other = parseJson<Owner>(found)
    if (other && (await isAlive(other))) {
      const message = `another Tappet (process ${other.pid}) is working in this folder`
      throw new TappetError('TPT_ALREADY_RUNNING', message)
    }
    await removeStale(path, found, owner)
  }
  throw new TappetError('TPT_ALREADY_RUNNING', 'other processes keep taking the lock of this folder')
}

/** One at a time, and only if it is still the lock that was `found`: nobody who has it alive can lose it. */
async function removeStale(path: string, found: string, owner: Owner): Promise<void> {
  const breaking = `${path}.breaking`
  if (!(await create(breaking, JSON.stringify(owner)))) {
    const other = parseJson<Owner>(await readFile(breaking, 'utf8').catch(() => ''))
    if (other && !(await isAlive(other))) await rm(breaking, { force: true })
    return setTimeout(BREAKING_MS)
  }
  try {
    if ((await readFile(path, 'utf8').catch(() => '')) === found) await rm(path, { force: true })
  } finally {
    await rm(breaking, { force: true })
  }
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

/** Of two processes that start together in a new folder, one makes it. */
async function readOrMakeKey(path: string): Promise<string> {
  const known = (await readFile(path, 'utf8').catch(() => '')).trim()
  if (known !== '') return known
  const key = newSecret()
  if (await create(path, `${key}\n`)) return key
  const made = (await readFile(path, 'utf8')).trim()
  if (made !== '') return made
  await replace(path, `${key}\n`)
  return key
}

async function announce(path: string, running: Running): Promise<void> {
  await replace(path, JSON.stringify({ ...running, started: await startOf(running.pid) }))
}

async function readRunning(path: string): Promise<Running | null> {
  const found = await readJson<Running & Owner>(path)
  if (!found || !(await isAlive(found))) return null
  const { pid, url, databaseUrl } = found
  return { pid, url, databaseUrl }
}

async function readJson<T>(path: string): Promise<T | null> {
  return parseJson(await readFile(path, 'utf8').catch(() => ''))
}

function parseJson<T>(text: string): T | null {
  try {
    return JSON.parse(text) as T
  } catch {
    return null
  }
}

/** A new file, with all that is in it at once. False if there is one already. */
async function create(path: string, text: string): Promise<boolean> {
  const draft = besides(path)
  await writeFile(draft, text, { mode: 0o600 })
  try {
    await link(draft, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  } finally {
    await rm(draft, { force: true })
  }
}

/** Whole or not at all, for whoever reads it meanwhile. */
async function replace(path: string, text: string): Promise<void> {
  const draft = besides(path)
  await writeFile(draft, text, { mode: 0o600 })
  await rename(draft, path)
}

function besides(path: string): string {
  return `${path}.${process.pid}-${randomBytes(4).toString('hex')}`
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
