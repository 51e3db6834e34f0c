import { readdirSync, readFileSync } from 'node:fs'

/** Ends processes that start more others than they may. */
export interface ProcessWatch {
  /**
   * From now on, `root` and all that it has started may have so many processes between them beside those in `own`.
   * Calls `onOver` once.
   */
  limit(root: number, own: readonly number[], maxProcesses: number, onOver: () => void): void
  forget(root: number): void
}

/** What we read of a process: its number, parent, process group and session. */
export interface ProcessRow {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly session: number
}

interface Watched {
  readonly own: ReadonlySet<number>
  readonly maxProcesses: number
  readonly onOver: () => void
  /** How many there were at the last count. */
  seen: number
}

const LOOK_EVERY_MS = 100

/**
 * To count means to read all of /proc. It is done when it may have anything to tell: the kernel says which process or
 * thread it has numbered last, so there cannot be more new ones than it has numbered since the last count.
 */
export function createProcessWatch(): ProcessWatch {
  const watched = new Map<number, Watched>()
  let timer: NodeJS.Timeout | undefined
  let countedAt = lastNumbered()
  const look = (): void => {
    const began = startedSince(countedAt)
    if ([...watched.values()].some(({ seen, maxProcesses }) => seen + began > maxProcesses)) count()
    schedule()
  }
  const count = (): void => {
    countedAt = lastNumbered()
    const rows = processTable()
    for (const [root, one] of watched) {
      one.seen = familyOf(root, rows).filter(({ pid }) => !one.own.has(pid)).length
      if (one.seen <= one.maxProcesses) continue
      watched.delete(root)
      one.onOver()
    }
  }
  const schedule = (): void => {
    clearTimeout(timer)
    if (watched.size > 0) timer = setTimeout(look, LOOK_EVERY_MS)
  }
  return {
    limit(root, own, maxProcesses, onOver) {
      if (countedAt === null) return
      if (watched.size === 0) countedAt = lastNumbered()
      watched.set(root, { own: new Set(own), maxProcesses, onOver, seen: 0 })
      schedule()
    },
    forget: (root) => void watched.delete(root),
  }
}

/**
 * The process, its children and theirs, and whoever else is in its group or session. A process whose parent has ended
 * and that has a session of its own belongs to nobody's family any more.
 */
export function familyOf(root: number, rows: readonly ProcessRow[]): readonly ProcessRow[] {
  const children = groupByParent(rows)
  const family = new Map<number, ProcessRow>()
  const waiting = rows.filter(({ pid, group, session }) => [pid, group, session].includes(root))
  for (let row = waiting.pop(); row; row = waiting.pop()) {
    if (family.has(row.pid)) continue
    family.set(row.pid, row)
    waiting.push(...(children.get(row.pid) ?? []))
  }
  return [...family.values()]
}

/** How often we look again for those that were started while we stopped the others. */
const MAX_ROUNDS = 20

/**
 * SIGKILL to a family. All are stopped first, until nobody new is found: what is stopped starts nobody, and keeps its
 * place in the family.
 */
export function killFamily(root: number): void {
  const stopped = new Set<number>()
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const fresh = familyOf(root, processTable()).filter(({ pid }) => !stopped.has(pid))
    if (fresh.length === 0) break
    for (const { pid } of fresh) {
      stopped.add(pid)
      send(pid, 'SIGSTOP')
    }
  }
  for (const pid of stopped) send(pid, 'SIGKILL')
}

/** All processes that have not ended; empty where there is no /proc. */
export function processTable(): readonly ProcessRow[] {
  try {
    return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (readRow(name) ?? []) : []))
  } catch {
    return []
  }
}

/** Ended, and not waited for. In a container whose first process waits for nobody, they stay. */
const ENDED = /^[ZX]/

/** Its name, in parentheses, may have spaces and parentheses in it. */
function readRow(pid: string): ProcessRow | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state = '', parent, group, session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (ENDED.test(state)) return null
    return { pid: Number(pid), parent: Number(parent), group: Number(group), session: Number(session) }
  } catch {
    return null
  }
}

/** The last field of /proc/loadavg; null where there is none. */
function lastNumbered(): number | null {
  try {
    return Number(readFileSync('/proc/loadavg', 'utf8').trim().split(' ').at(-1))
  } catch {
    return null
  }
}

/** Numbers begin again at the end of their range. */
function startedSince(before: number | null): number {
  const now = lastNumbered()
  if (now === null || before === null) return 0
  return now >= before
    ? now - before
    : now - before + Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8'))
}

function groupByParent(rows: readonly ProcessRow[]): Map<number, ProcessRow[]> {
  const children = new Map<number, ProcessRow[]>()
  for (const row of rows) {
    const siblings = children.get(row.parent)
    if (siblings) siblings.push(row)
    else children.set(row.parent, [row])
  }
  return children
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended.
  }
}
