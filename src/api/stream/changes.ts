import { type Filter, printFilter } from '../../filter/filter.ts'
import { type Fact, matchesFilter } from '../../filter/matches.ts'
import type { ListedRun } from '../../store/reader.ts'

/** A run as it was when somebody looked last, null if it is new, and as it is. */
export interface Change {
  readonly before: ListedRun | null
  readonly after: ListedRun
}

/** Changes that were seen at one look. */
export interface Look {
  readonly seq: number
  readonly nowMs: number
  readonly changes: readonly Change[]
}

const MAX_KEPT = 10_000

/** Remembers the newest runs, so as to tell what changed, and the newest changes, for those who come back. */
export function createChanges(): {
  /** What is new among these; null if nothing is. */
  see(runs: readonly ListedRun[], nowMs: number): Look | null
  /** All after `seq`; null if they are not kept any more. */
  after(seq: number): readonly Look[] | null
  readonly seq: () => number
} {
  const seen = new Map<string, ListedRun>()
  const looks: Look[] = []
  let kept = 0
  let last = 0
  return {
    see(runs, nowMs) {
      const changes: Change[] = []
      for (const run of runs) {
        const before = seen.get(run.id) ?? null
        if (before !== null && sameState(before, run)) continue
        seen.delete(run.id)
        seen.set(run.id, run)
        changes.push({ before, after: run })
      }
      for (const oldest of seen.keys()) {
        if (seen.size <= MAX_KEPT) break
        seen.delete(oldest)
      }
      if (changes.length === 0) return null
      const look = { seq: ++last, nowMs, changes }
      looks.push(look)
      kept += changes.length
      while (kept > MAX_KEPT && looks.length > 1) kept -= looks.shift()?.changes.length ?? 0
      return look
    },
    after(seq) {
      const first = looks[0]?.seq ?? last + 1
      return seq > last || seq < first - 1 ? null : looks.filter((look) => look.seq > seq)
    },
    seq: () => last,
  }
}

function sameState(a: ListedRun, b: ListedRun): boolean {
  return a.state === b.state && a.lease === b.lease && a.attempt === b.attempt && a.held === b.held
}

/** What a viewer with this filter is sent: runs that fit as they are now, and the ids of those that fit no more. */
export function messageOf(looks: readonly Look[], filter: Filter): string | null {
  const runs = new Map<string, ListedRun>()
  const gone = new Set<string>()
  for (const { changes, nowMs } of looks) {
    for (const { before, after } of changes) {
      if (fits(after, filter, nowMs)) {
        runs.set(after.id, after)
        gone.delete(after.id)
      } else if (runs.delete(after.id) || (before !== null && fits(before, filter, nowMs))) gone.add(after.id)
    }
  }
  if (runs.size === 0 && gone.size === 0) return null
  return JSON.stringify({ runs: [...runs.values()].map(light), gone: [...gone] })
}

const MAX_MESSAGE = 300

/** Lists show no stack. */
function light(run: ListedRun): ListedRun {
  const { failure } = run
  if (!failure) return run
  return { ...run, failure: { ...failure, message: failure.message.slice(0, MAX_MESSAGE), stack: null } }
}

function fits(run: ListedRun, filter: Filter, nowMs: number): boolean {
  return matchesFilter(filter, (field) => FACTS[field]?.(run) ?? null, nowMs)
}

/** What is in a run's own row: the rest of the fields would need its event. */
const FACTS: Readonly<Record<string, (run: ListedRun) => Fact>> = {
  status: ({ state }) => state,
  function: ({ functionId }) => functionId,
  id: ({ id }) => id,
  event: ({ eventId }) => eventId,
  since: ({ createdAt }) => createdAt.getTime(),
  until: ({ createdAt }) => createdAt.getTime(),
  error: failureText,
  fingerprint: ({ fingerprint }) => fingerprint,
  attempt: ({ attempt }) => attempt,
  duration: ({ startedAt, finishedAt }) =>
    startedAt && finishedAt ? finishedAt.getTime() - startedAt.getTime() : null,
  worker: ({ worker }) => worker,
  bulk: ({ bulk }) => bulk,
  text: (run) => [run.id, run.functionId, failureText(run)].filter((part) => part !== null).join(' '),
}

/** Fields of a filter that a stream cannot tell. */
export function unknownTo({ terms, subject }: Filter): string | null {
  const term = terms.find(({ field }) => !Object.hasOwn(FACTS, field))
  return term === undefined ? null : printFilter({ subject, terms: [term] })
}

function failureText({ failure }: ListedRun): string | null {
  if (!failure) return null
  return [failure.code, failure.name, failure.message].filter((part) => part !== null).join(' ')
}
