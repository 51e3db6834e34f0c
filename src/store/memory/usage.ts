import type { Attempt, Store } from '../store.ts'
import { BILLED, type Usage } from '../usage.ts'
import { ago, type State } from './state.ts'

const DAY_MS = 86_400_000

export function usageMethods(state: State): Pick<Store, 'usage' | 'sumUsage'> {
  return {
    async usage(days) {
      const first = dayOf(ago(state, (days - 1) * DAY_MS))
      const all = new Map([...state.usage, ...open(state)])
      return [...all.values()].filter(({ day }) => day >= first).toSorted(newestFirst)
    },
    async sumUsage() {
      const today = dayOf(ago(state, 600_000))
      const over = [...open(state)].filter(([, { day }]) => day < today)
      for (const [key, sum] of over) state.usage.set(key, sum)
      return over.length
    },
  }
}

/** The sums of days after the last that has been summed up. */
function open(state: State): Map<string, Usage> {
  const [last = ''] = [...state.usage.values()]
    .map(({ day }) => day)
    .toSorted()
    .toReversed()
  const sums = new Map<string, Usage>()
  for (const [runId, attempts] of state.attempts) {
    const functionId = state.runs.get(runId)?.functionId
    const counted = attempts.filter((each) => BILLED.includes(each.outcome) && dayOf(each.finishedAt) > last)
    const days = new Set<string>()
    for (const attempt of functionId === undefined ? [] : counted) {
      const day = dayOf(attempt.finishedAt)
      const key = `${day} ${functionId}`
      const before = sums.get(key) ?? nothing(day, functionId ?? '')
      sums.set(key, add(before, attempt, days.has(day) ? 0 : 1))
      days.add(day)
    }
  }
  return sums
}

const UNKNOWN = { cpuMs: null, peakKb: null, cold: false, bytesIn: 0, bytesOut: 0, memoryMb: 0 }

function add(sum: Usage, { outcome, meter, startedAt, finishedAt }: Attempt, runs: number): Usage {
  const took = meter ?? { ...UNKNOWN, durationMs: finishedAt.getTime() - startedAt.getTime() }
  const billedMs = Math.max(1, Math.ceil(took.durationMs))
  const failed = outcome === 'completed' ? 0 : 1
  return {
    ...sum,
    runs: sum.runs + runs,
    attempts: sum.attempts + 1,
    failed: sum.failed + failed,
    cold: sum.cold + Number(took.cold),
    busyMs: sum.busyMs + took.durationMs,
    failedMs: sum.failedMs + took.durationMs * failed,
    billedMs: sum.billedMs + billedMs,
    gbSeconds: sum.gbSeconds + (billedMs * took.memoryMb) / 1_024_000,
    cpuMs: sum.cpuMs + (took.cpuMs ?? 0),
    peakKb: Math.max(sum.peakKb, took.peakKb ?? 0),
    bytesIn: sum.bytesIn + took.bytesIn,
    bytesOut: sum.bytesOut + took.bytesOut,
  }
}

function nothing(day: string, functionId: string): Usage {
  const times = { busyMs: 0, failedMs: 0, billedMs: 0, gbSeconds: 0, cpuMs: 0 }
  const counts = { runs: 0, attempts: 0, failed: 0, cold: 0 }
  return { day, functionId, ...counts, ...times, peakKb: 0, bytesIn: 0, bytesOut: 0 }
}

function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10)
}

function newestFirst(a: Usage, b: Usage): number {
  if (a.day !== b.day) return a.day < b.day ? 1 : -1
  return a.functionId < b.functionId ? -1 : 1
}
