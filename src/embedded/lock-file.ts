import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { run, SELF } from './identity.ts'

/** What a postmaster writes down about itself in `postmaster.pid`. */
export interface LockFile {
  readonly pid: number
  /** 0 until it is known. */
  readonly port: number
  readonly status: 'starting' | 'ready' | 'stopping' | 'unknown'
}

const STATUSES = ['starting', 'ready', 'stopping'] as const

export function lockFilePath(data: string): string {
  return join(data, 'postmaster.pid')
}

export async function readLockFile(data: string): Promise<LockFile | null> {
  const text = await readFile(lockFilePath(data), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  return text === null ? null : parseLockFile(text)
}

/** Line 1 is the pid, 4 the port, 8 the status. What is not there or not a number counts as 0. */
export function parseLockFile(text: string): LockFile {
  const lines = text.split('\n').map((line) => line.trim())
  return {
    pid: wholeNumber(lines[0]),
    port: wholeNumber(lines[3]),
    status: STATUSES.find((status) => status === lines[7]) ?? 'unknown',
  }
}

/** Is this process a live postmaster of this very data folder? Pids are used again, and a zombie keeps its pid. */
export async function isPostmaster(pid: number, data: string): Promise<boolean> {
  if (!isAlive(pid)) return false
  if (process.platform === 'win32') return true
  if (process.platform !== 'linux') return (await commandOf(pid)).includes(data)
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
  if (name.trim() !== 'postgres') return false
  try {
    const [workingFolder, folder] = await Promise.all([stat(`/proc/${pid}/cwd`), stat(data)])
    return workingFolder.ino === folder.ino && workingFolder.dev === folder.dev
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0').includes(data)
  }
}

export function isAlive(pid: number): boolean {
  if (pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function commandOf(pid: number): Promise<string> {
  return (await run(SELF, 'ps', ['-ww', '-o', 'args=', '-p', String(pid)])).output
}

function wholeNumber(text = ''): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : 0
}
