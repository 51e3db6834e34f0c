import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** Ends processes that take more memory than they may, by looking. */
export interface MemoryWatch {
  /**
   * From now on, beyond what the process takes now. Calls `onOver` once. Gives the `RLIMIT_DATA` that goes with it, in
   * bytes; null where there can be none: without /proc, and where each thread reserves more than most functions take.
   */
  limit(pid: number, memoryMb: number, onOver: () => void): number | null
  /** Gives whether the process was about to reach that limit of the kernel's when it was last looked at. */
  forget(pid: number): boolean
}

interface Watched {
  readonly maxPages: number
  readonly maxDataPages: number
  readonly onOver: () => void
  dataPages: number
}

const LOOK_EVERY_MS = 100
const MB = 1_048_576

/**
 * The kernel's limit is wider than ours: it counts what threads reserve and do not use, which is 14 MB for a worker of
 * Node's that takes 8, and 8 MB for the stack of a library's. Libraries have one or two for each core. It is there for what
 * grows faster than we look.
 */
const DATA_SHARE = 1.5
const DATA_ROOM_MB = 64 + 16 * availableParallelism()

/**
 * V8 of Node 24 reserves 512 MB for code in each thread, writable, so that they count: with a limit, the second worker of
 * a function would end its process. Such a process has reserved more than this when it has started.
 */
const RESERVES_CODE_MB = 256

/** Of the limit: a process that dies of a signal so close to it has died for want of memory. */
const CLOSE = 0.9

export function createMemoryWatch(): MemoryWatch {
  const watched = new Map<number, Watched>()
  let timer: NodeJS.Timeout | undefined
  const look = (): void => {
    for (const [pid, one] of watched) {
      const pages = readPages(pid)
      if (pages === null) continue
      one.dataPages = pages.data
      if (pages.resident > one.maxPages) one.onOver()
    }
    schedule()
  }
  const schedule = (): void => {
    clearTimeout(timer)
    if (watched.size > 0) timer = setTimeout(look, LOOK_EVERY_MS)
  }
  return {
    limit(pid, memoryMb, onOver) {
      const now = readMemory(pid)
      if (!now) return null
      const { pages, pageBytes, dataBytes } = now
      const maxDataBytes = dataBytes > RESERVES_CODE_MB * MB ? null : dataBytes + roomFor(memoryMb)
      watched.set(pid, {
        maxPages: pages + Math.ceil((memoryMb * MB) / pageBytes),
        maxDataPages: maxDataBytes === null ? Infinity : maxDataBytes / pageBytes,
        ...{ onOver, dataPages: 0 },
      })
      schedule()
      return maxDataBytes
    },
    forget(pid) {
      const { dataPages = 0, maxDataPages = Infinity } = watched.get(pid) ?? {}
      watched.delete(pid)
      return dataPages > maxDataPages * CLOSE
    },
  }
}

function roomFor(memoryMb: number): number {
  return Math.ceil((memoryMb * DATA_SHARE + DATA_ROOM_MB) * MB)
}

interface Memory {
  readonly pages: number
  readonly pageBytes: number
  readonly dataBytes: number
}

/** Null where there is no /proc, or no such process any more. */
function readMemory(pid: number): Memory | null {
  const pages = readPages(pid)?.resident
  if (pages === undefined) return null
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const kb = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1])
    const pageBytes = 2 ** Math.round(Math.log2((kb('VmRSS') * 1_024) / pages))
    return { pages, pageBytes, dataBytes: kb('VmData') * 1_024 }
  } catch {
    return null
  }
}

interface Pages {
  readonly resident: number
  /** What it may write to and shares with nobody, in use or not. */
  readonly data: number
}

function readPages(pid: number): Pages | null {
  try {
    const [, resident, , , , data] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')
    return { resident: Number(resident), data: Number(data) }
  } catch {
    return null
  }
}
