import { readFileSync } from 'node:fs'
import { constants } from 'node:os'

/** As bwrap's is for each of the processes that it makes a sandbox with. */
const WRAPPER = 'bwrap'
const MAX_DEPTH = 8

/** The processes that make a sandbox, from the outermost, `pid`; the last is the first that is not there to make it. */
export function wrapped(pid: number): readonly number[] {
  const found = [pid]
  for (let child = wraps(pid); child !== null && found.length <= MAX_DEPTH; child = wraps(child))
    found.push(child)
  return found
}

/** Its child, if it is part of the sandbox. */
function wraps(pid: number): number | null {
  try {
    if (readFileSync(`/proc/${pid}/comm`, 'utf8').trim() !== WRAPPER) return null
    const [child = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
    return child === '' ? null : Number(child)
  } catch {
    return null
  }
}

const SIGNALS = new Map<number, string>(
  Object.entries(constants.signals).map(([name, number]) => [number, name]),
)
const BY_SIGNAL = 128

interface End {
  readonly code: number | null
  readonly signal: string | null
}

/** How what was in a sandbox ended, by how the sandbox did: as a shell says it. */
export function endOfInner(code: number | null, signal: string | null): End {
  const name = code === null ? undefined : SIGNALS.get(code - BY_SIGNAL)
  return name === undefined ? { code, signal } : { code: null, signal: name }
}
