import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { type Cgroup, enclose } from './cgroup.ts'
import { createMemoryWatch } from './memory.ts'
import { createProcessWatch, killFamily } from './processes.ts'
import type { Exit, Limits } from './protocol.ts'
import { wrapped } from './sandboxed.ts'

/** Holds runners to what they may take. */
export interface Keeper {
  /** `pid` is the outermost process, which leads a group of its own. */
  limit(id: number, pid: number, sandboxed: boolean, limits: Limits): void
  /**
   * It has ended, of a signal or not: of what it took more than it may, if that was why. What it left in its control group
   * is killed.
   */
  ended(id: number, bySignal: boolean): Exit['over']
}

interface Kept {
  readonly root: number
  readonly runner: number
  readonly cgroup: Cgroup | null
  over: Exit['over']
}

/** A Node process has about eleven threads: what the kernel counts are threads. */
const TASKS_PER_PROCESS = 16

/** Since then the kernel counts the processes of a user in each user namespace by themselves. */
const COUNTS_BY_NAMESPACE = [5, 14] as const

export function createKeeper(kill: (pid: number) => void): Keeper {
  const kept = new Map<number, Kept>()
  const memory = createMemoryWatch()
  const processes = createProcessWatch()
  return {
    limit(id, root, sandboxed, limits) {
      const own = sandboxed ? wrapped(root) : [root]
      const runner = own.at(-1) ?? root
      const maxTasks = (limits.maxProcesses + 1) * TASKS_PER_PROCESS
      const cgroup = enclose(own, { ...limits, maxTasks })
      const one: Kept = { root, runner, cgroup, over: null }
      const onOver = (what: Exit['over']): void => {
        if (one.over !== null) return
        one.over = what
        cgroup?.kill()
        // In a sandbox, all end with the first of them.
        if (!sandboxed) killFamily(root)
        kill(root)
      }
      kept.set(id, one)
      dieFirst(runner)
      const { memoryMb, maxProcesses, prlimit } = limits
      const dataBytes = memoryMb === null ? null : memory.limit(runner, memoryMb, () => onOver('memory'))
      processes.limit(root, own, maxProcesses, () => onOver('processes'))
      if (prlimit !== null) setLimits(prlimit, runner, dataBytes, sandboxed ? maxTasks : null)
    },
    ended(id, bySignal) {
      const one = kept.get(id)
      if (!one) return null
      kept.delete(id)
      const wasClose = memory.forget(one.runner)
      processes.forget(one.root)
      const over = one.over ?? ((bySignal && wasClose) || one.cgroup?.ranOutOfMemory() ? 'memory' : null)
      one.cgroup?.remove()
      return over
    },
  }
}

/** Outside of a sandbox the kernel would count all processes of the user; it never counts those of the machine's root. */
function setLimits(prlimit: string, pid: number, dataBytes: number | null, maxTasks: number | null): void {
  const wanted = [
    // Only the soft limit: the function itself may lower or raise it, and is still looked at.
    ...(dataBytes === null ? [] : [`--data=${dataBytes}:`]),
    ...(maxTasks === null || !countsByNamespace() ? [] : [`--nproc=${maxTasks}`]),
  ]
  if (wanted.length > 0) execFile(prlimit, ['--pid', String(pid), ...wanted], () => undefined)
}

function countsByNamespace(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number)
  const [fromMajor, fromMinor] = COUNTS_BY_NAMESPACE
  return major > fromMajor || (major === fromMajor && minor >= fromMinor)
}

/** When the machine is out of memory, a runner is missed least. */
export function dieFirst(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '500')
  } catch {
    // Not everywhere.
  }
}
