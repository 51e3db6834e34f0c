import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A control group (version 2 of cgroups) with one runner and all that it starts. */
export interface Cgroup {
  /** SIGKILL to all that are in it, in whatever session. */
  kill(): void
  /** Whether the kernel has ended one of them for want of memory. */
  ranOutOfMemory(): boolean
  /** Kills what is left in it, and takes it away as soon as that is gone. */
  remove(): void
}

export interface CgroupLimits {
  /** The group in which it is made; null for none. */
  readonly cgroup: string | null
  readonly memoryMb: number | null
  /** Most processes and threads. */
  readonly maxTasks: number
}

export const RUN_PREFIX = 'tappet.run-'

/** Wider than what the process itself may take: what children take and what is written to /tmp counts, too. */
const CHILDREN_SHARE = 1.25
const CHILDREN_ROOM_MB = 64

const REMOVE_EVERY_MS = 50
const REMOVE_TRIES = 100

let last = 0

/**
 * Moves processes into a control group of their own, which holds them and what they start to these limits. Null where
 * that cannot be: the limits by looking are there as well.
 */
export function enclose(pids: readonly number[], limits: CgroupLimits): Cgroup | null {
  const { cgroup: parent, memoryMb, maxTasks } = limits
  if (parent === null) return null
  const path = join(parent, `${RUN_PREFIX}${process.pid}-${++last}`)
  try {
    mkdirSync(path)
    write(path, 'pids.max', String(maxTasks))
    if (memoryMb !== null) limitMemory(path, memoryMb)
    for (const pid of pids) write(path, 'cgroup.procs', String(pid))
    return open(path)
  } catch {
    remove(path, REMOVE_TRIES)
    return null
  }
}

/** All of them end together: what is left of a function whose child was killed is of no use. */
function limitMemory(path: string, memoryMb: number): void {
  write(path, 'memory.max', String(Math.ceil(memoryMb * CHILDREN_SHARE + CHILDREN_ROOM_MB) * 1_048_576))
  write(path, 'memory.oom.group', '1')
  try {
    write(path, 'memory.swap.max', '0')
  } catch {
    // A kernel without swap has no such file.
  }
}

function open(path: string): Cgroup {
  const kill = (): void => {
    try {
      write(path, 'cgroup.kill', '1')
    } catch {
      // Before Linux 5.14.
      for (const pid of read(path, 'cgroup.procs').split('\n').map(Number)) if (pid > 0) killProcess(pid)
    }
  }
  return {
    kill,
    ranOutOfMemory: () => /^oom_kill [1-9]/m.test(read(path, 'memory.events')),
    remove() {
      kill()
      remove(path, REMOVE_TRIES)
    },
  }
}

/** A group can be taken away when the last process in it has been waited for. */
function remove(path: string, tries: number): void {
  try {
    rmdirSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EBUSY' && tries > 0) setTimeout(remove, REMOVE_EVERY_MS, path, tries - 1).unref()
  }
}

/** The files are the kernel's: they are there or not, and some may only be written. */
function write(path: string, name: string, value: string): void {
  writeFileSync(join(path, name), value)
}

function read(path: string, name: string): string {
  try {
    return readFileSync(join(path, name), 'utf8')
  } catch {
    return ''
  }
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
