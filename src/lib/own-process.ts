import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** How others on the same machine can tell this process from all others, there and elsewhere. */
export interface ProcessIdentity {
  /** The same for processes that see each other's pids. */
  readonly machine: string
  /** When it started, in the kernel's ticks since the boot. */
  readonly birth: string
}

/** Null where the kernel does not tell: anywhere but on Linux. */
export function ownIdentity(): ProcessIdentity | null {
  const { birth } = readStat('self')
  if (birth === null) return null
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return { machine: `${boot} ${readlinkSync('/proc/self/ns/pid')} ${hostname()}`, birth }
  } catch {
    return null
  }
}

/** Whether a process of this machine is surely gone; false while there is any doubt. */
export function isGone(pid: number, birth: string): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
  const found = readStat(String(pid))
  return found.birth !== null && (found.birth !== birth || found.state === 'Z' || found.state === 'X')
}

/** proc(5): the name, in parentheses, may contain anything; after it come the state and, 20th, the start time. */
function readStat(pid: string): { readonly state: string | null; readonly birth: string | null } {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0] ?? null, birth: fields[19] ?? null }
  } catch {
    return { state: null, birth: null }
  }
}
