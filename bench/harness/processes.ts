import { readdirSync, readFileSync } from 'node:fs'

/** CPU since its start and memory now, of the processes of one kind. */
export interface Use {
  readonly cpuMs: number
  readonly rssMb: number
}
export type Uses = Readonly<Record<string, Use>>

interface Found {
  readonly pid: number
  readonly parent: number
  readonly cpuMs: number
  readonly rssMb: number
}

const TICK_MS = 10
const PAGE_MB = 4_096 / 1_048_576

/** All processes below the given ones, themselves included, by what they are. */
export function usesOf(roots: readonly number[], rootName = 'own'): Uses {
  const all = new Map<number, Found>()
  for (const name of readdirSync('/proc')) if (/^\d+$/.test(name)) read(Number(name), all)
  const under = (pid: number): boolean =>
    roots.includes(pid) || (all.has(pid) && under(all.get(pid)?.parent ?? 0))
  const sums: Record<string, { cpuMs: number; rssMb: number }> = {}
  for (const found of all.values()) {
    if (!under(found.pid)) continue
    const label = roots.includes(found.pid) || rootName !== 'own' ? rootName : labelOf(found.pid)
    const sum = (sums[label] ??= { cpuMs: 0, rssMb: 0 })
    sum.cpuMs += found.cpuMs
    sum.rssMb += found.rssMb
  }
  return sums
}

export function spent(before: Uses, after: Uses): Uses {
  return Object.fromEntries(
    Object.entries(after).map(([label, { cpuMs, rssMb }]) => [
      label,
      { cpuMs: Math.max(0, cpuMs - (before[label]?.cpuMs ?? 0)), rssMb },
    ]),
  )
}

export function total(uses: Uses): Use {
  const all = Object.values(uses)
  return {
    cpuMs: all.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    rssMb: all.reduce((sum, { rssMb }) => sum + rssMb, 0),
  }
}

/** CPU time that all processes of the machine have used. */
export function machineCpuMs(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, soft = 0] = (
    readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? ''
  )
    .split(/\s+/)
    .map(Number)
  return (user + nice + system + irq + soft) * TICK_MS
}

function read(pid: number, into: Map<number, Found>): void {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    // Children that have ended count with who started them: connections of Postgres come and go.
    const cpuMs = [11, 12, 13, 14].reduce((sum, at) => sum + (fields[at] ?? 0), 0) * TICK_MS
    into.set(pid, { pid, parent: fields[1] ?? 0, cpuMs, rssMb: ownMb(pid) })
  } catch {
    // It has ended.
  }
}

/** Without what it shares: forty connections of Postgres map the same buffers. */
function ownMb(pid: number): number {
  const [, resident = 0, shared = 0] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ').map(Number)
  return (resident - shared) * PAGE_MB
}

const LABELS: readonly (readonly [RegExp, string])[] = [
  [/supervisor/, 'supervisor'],
  [/runner/, 'runner'],
  [/workerd/, 'workerd'],
  [/esbuild/, 'esbuild'],
]

function labelOf(pid: number): string {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    return LABELS.find(([pattern]) => pattern.test(line))?.[1] ?? 'others of it'
  } catch {
    return 'others of it'
  }
}
