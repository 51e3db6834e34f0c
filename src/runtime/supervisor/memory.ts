import { readFileSync } from 'node:fs'

/** Ends processes that take more memory than they may, by looking. */
export interface MemoryWatch {
  /**
   * From now on, beyond what the process takes now. Calls `onOver` once. Gives the `RLIMIT_DATA` that goes with it, in
   * bytes; null where there is no /proc.
   */
  limit(pid: number, memoryMb: number, onOver: () => void): number | null
  forget(pid: number): void
}

interface Watched {
  readonly maxPages: number
  readonly onOver: () => void
}

const LOOK_EVERY_MS = 100
const MB = 1_048_576

const DATA_SHARE = 1.25
const DATA_ROOM_MB = 64

/**
 * The kernel's limits are wider than ours: they also count what threads reserve and do not use, and what children take.
 * They are there for what grows faster than we look.
 */
export function kernelBytes(memoryMb: number): number {
  return Math.ceil((memoryMb * DATA_SHARE + DATA_ROOM_MB) * MB)
}

export function createMemoryWatch(): MemoryWatch {
  const watched = new Map<number, Watched>()
  let timer: NodeJS.Timeout | undefined
  const look = (): void => {
    for (const [pid, { maxPages, onOver }] of watched) {
      const pages = residentPages(pid)
      if (pages === null || pages <= maxPages) continue
      watched.delete(pid)
      onOver()
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
      watched.set(pid, { maxPages: now.pages + Math.ceil((memoryMb * MB) / now.pageBytes), onOver })
      schedule()
      return now.dataBytes + kernelBytes(memoryMb)
    },
    forget: (pid) => void watched.delete(pid),
  }
}

interface Memory {
  readonly pages: number
  readonly pageBytes: number
  readonly dataBytes: number
}

/** Null where there is no /proc, or no such process any more. */
function readMemory(pid: number): Memory | null {
  const pages = residentPages(pid)
  if (pages === null) return null
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const kb = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1])
    const pageBytes = 2 ** Math.round(Math.log2((kb('VmRSS') * 1_024) / pages))
    return { pages, pageBytes, dataBytes: kb('VmData') * 1_024 }
  } catch {
    return null
  }
}

function residentPages(pid: number): number | null {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  } catch {
    return null
  }
}
