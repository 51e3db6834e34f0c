import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { RUN_PREFIX } from './supervisor/cgroup.ts'
import { familyOf, processTable } from './supervisor/processes.ts'

/**
 * Control groups (version 2) that hold runners: the kernel lets controllers work below a group only if no process is in
 * the group itself ("no internal processes", Documentation/admin-guide/cgroup-v2.rst), so we move into one below it.
 *
 *     …/tappet.service              ours, as it was given to us
 *       ├── tappet.broker           we, and whatever is no runner
 *       └── tappet.run-<n>          one runner and all that it starts
 */
export type Cgroups =
  /** Runners get groups in `path`. */
  { readonly path: string; readonly problem: null } | { readonly path: null; readonly problem: string }

const OURS = 'tappet.broker'
const CONTROLLERS = ['memory', 'pids'] as const

/**
 * Makes the control group that this process is in ready for groups of runners, and moves the process with all that it has
 * started into one below it. Where that cannot be, all is as it was, and `problem` says why. Call it before runners are
 * started.
 */
export function openCgroups(): Cgroups {
  const found = lookAt(process.pid)
  if (found.problem !== null) return found
  return prepare(found.path, process.pid)
}

/** The same for a group at `path`, which `pid` is in or below. */
export function prepare(path: string, pid: number): Cgroups {
  const family = (): Set<number> => new Set(familyOf(pid, processTable()).map((row) => row.pid))
  try {
    removeOld(path)
    mkdirSync(join(path, OURS), { recursive: true })
    const ours = family()
    const inside = procs(path)
    for (const one of inside.filter((other) => ours.has(other))) move(join(path, OURS), one)
    try {
      const controllers = CONTROLLERS.map((name) => `+${name}`).join(' ')
      writeFileSync(join(path, 'cgroup.subtree_control'), controllers)
      return { path, problem: null }
    } catch (error) {
      for (const one of procs(join(path, OURS))) move(path, one)
      rmdirSync(join(path, OURS))
      return { path: null, problem: `${path} has other processes in it: ${(error as Error).message}` }
    }
  } catch (error) {
    return { path: null, problem: (error as Error).message }
  }
}

/** Whether a process holds runners by control groups, or could; it changes nothing. */
export function inspectCgroups(pid: number): Cgroups & { readonly active: boolean } {
  const found = lookAt(pid)
  return { ...found, active: found.path !== null && procs(join(found.path, OURS)).includes(pid) }
}

/** The group that is ours to divide: that of the process, or the one above if it was divided already. */
function lookAt(pid: number): Cgroups {
  if (process.platform !== 'linux') return none(`there are none on ${process.platform}`)
  const group = groupOf(pid)
  if (group === null) return none('there is no hierarchy of version 2')
  const path = basename(group) === OURS ? dirname(group) : group
  const there = read(join(path, 'cgroup.controllers')).trim().split(' ')
  const missing = CONTROLLERS.filter((name) => !there.includes(name))
  if (missing.length > 0) return none(`${path} has no controller of ${missing.join(' and ')}`)
  const isOurs = ['', 'cgroup.procs', 'cgroup.subtree_control'].every((name) => isWritable(join(path, name)))
  return isOurs ? { path, problem: null } : none(`${path} may not be written to`)
}

/** The folder of a process's group; null where version 2 is not mounted, or the group is outside of what we see. */
function groupOf(pid: number): string | null {
  const [, group] = /^0::(\/.*)$/m.exec(read(`/proc/${pid}/cgroup`)) ?? []
  const mount = /^\S+ \S+ \S+ (\S+) (\S+) .*? - cgroup2 /m.exec(read('/proc/self/mountinfo'))
  const [, root = '/', mounted = ''] = mount ?? []
  if (group === undefined || !mount) return null
  const below = relative(root, group)
  return below.startsWith('..') ? null : join(mounted, below)
}

function none(problem: string): Cgroups {
  return { path: null, problem }
}

/** Of brokers that are gone; one that has a process in it stays. */
function removeOld(path: string): void {
  for (const name of readdirSync(path).filter((entry) => entry.startsWith(RUN_PREFIX))) {
    try {
      rmdirSync(join(path, name))
    } catch {
      // Somebody is in it.
    }
  }
}

function procs(path: string): number[] {
  const lines = read(join(path, 'cgroup.procs')).split('\n')
  return lines.map(Number).filter((pid) => pid > 0)
}

function move(path: string, pid: number): void {
  writeFileSync(join(path, 'cgroup.procs'), String(pid))
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
