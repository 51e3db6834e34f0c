import {
  ABANDONED_MS,
  type Advance,
  type DueSchedule,
  MISSED_KEPT_MS,
  type MissedRow,
  type ScheduleRow,
  type Schedules,
  type ScheduleSpec,
  type ServedSpec,
  UNSERVED_MS,
} from './schedules.ts'

export interface MemorySchedulesOptions {
  readonly now?: () => Date
  readonly busy?: (functionId: string, index: number) => boolean
}

interface Entry extends Omit<ScheduleRow, 'served'> {
  readonly servedAt: number
  readonly locked: boolean
}

/** Schedules of one process, gone with it. */
export function createMemorySchedules({
  now = () => new Date(),
  busy = () => false,
}: MemorySchedulesOptions = {}): Schedules {
  const entries = new Map<string, Entry>()
  const late = createMissed(now)

  const serve = (declared: readonly ScheduleSpec[], unservedMs: number): void => {
    const at = now()
    for (const { after, ...spec } of declared) {
      const known = entries.get(spec.id)
      if (known?.spec === spec.spec) {
        entries.set(spec.id, { ...known, servedAt: at.getTime() })
      } else if (!known || at.getTime() - known.servedAt >= unservedMs) {
        const fresh = { previousAt: null, skipped: 0, servedAt: at.getTime(), locked: false }
        entries.set(spec.id, { ...spec, ...fresh, nextAt: after(at) })
      }
    }
  }
  const own = (served: readonly ServedSpec[]): Entry[] => {
    const found = served.map(({ id, spec }) => ({ entry: entries.get(id), spec }))
    return found.flatMap(({ entry, spec }) => (entry?.spec === spec ? [entry] : []))
  }
  const fireOne = async (entry: Entry, fire: (due: DueSchedule) => Promise<Advance>): Promise<void> => {
    const { id, spec, nextAt, previousAt, skipped } = entry
    if (nextAt === null || nextAt > now()) return
    const put = (change: Partial<Entry>): void => {
      const current = entries.get(id)
      if (current?.spec === spec) entries.set(id, { ...current, ...change })
    }
    put({ locked: true })
    try {
      const { missed, ...advance } = await fire({ id, nextAt, previousAt, now: now() })
      put({ ...advance, skipped: skipped + advance.skipped })
      if (missed) late.add({ ...missed, schedule: id, foundAt: now() })
    } catch {
      // It stays due.
    } finally {
      put({ locked: false })
    }
  }

  return {
    async sync(declared) {
      serve(declared, 0)
      for (const [id, { servedAt }] of entries) {
        if (now().getTime() - servedAt > ABANDONED_MS) entries.delete(id)
      }
    },
    async keep(declared) {
      serve(declared, UNSERVED_MS)
    },
    async fireDue(served, fire) {
      await Promise.all(own(served).flatMap((entry) => (entry.locked ? [] : [fireOne(entry, fire)])))
      const at = now().getTime()
      const waits = own(served).flatMap(({ nextAt }) =>
        nextAt && nextAt.getTime() > at ? [nextAt.getTime() - at] : [],
      )
      return waits.length === 0 ? null : Math.min(...waits)
    },
    async busy(functionId, index) {
      return busy(functionId, index)
    },
    missed: late.newest,
    async list() {
      const at = now().getTime()
      return [...entries.values()]
        .map(({ servedAt, locked, ...row }) => ({ ...row, served: locked || at - servedAt < UNSERVED_MS }))
        .toSorted((a, b) => (a.nextAt?.getTime() ?? Infinity) - (b.nextAt?.getTime() ?? Infinity))
    },
  }
}

function createMissed(now: () => Date): {
  add(row: MissedRow): void
  newest(mostOfEach: number): Promise<readonly MissedRow[]>
} {
  const rows: MissedRow[] = []
  return {
    add: (row) => void rows.unshift(row),
    async newest(mostOfEach) {
      const kept = rows.filter(({ foundAt }) => now().getTime() - foundAt.getTime() <= MISSED_KEPT_MS)
      const before = (i: number): number =>
        kept.slice(0, i).filter((row) => row.schedule === kept[i]?.schedule).length
      return kept.filter((_, i) => before(i) < mostOfEach)
    },
  }
}
