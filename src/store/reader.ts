import type { Filter } from '../filter/filter.ts'
import type { LogLine } from '../runtime/runtime.ts'
import type { RunState } from './run-state.ts'
import type { Run } from './store.ts'

/** Newest first, by id; `after` is the last id of the page before. */
export interface Page {
  readonly filter: Filter
  readonly limit: number
  readonly after?: string
}

/** Exact up to 10,000 found, and, where no index helps, 10,000 looked through: nobody waits longer for a list. */
export interface Count {
  readonly count: number
  readonly exact: boolean
}

export const MAX_COUNT = 10_000

/** A run in a list: without its result, which may be large. */
export type ListedRun = Omit<Run, 'result'> & {
  readonly fingerprint: string | null
  readonly bulk: string | null
}

export interface ListedEvent {
  readonly id: string
  readonly eventId: string
  readonly source: string
  readonly type: string
  readonly subject: string | null
  readonly time: string
  readonly receivedAt: Date
  /** The run that sent it. */
  readonly cause: string | null
  /** Of the payload as JSON. */
  readonly bytes: number
  readonly runs: readonly { readonly id: string; readonly functionId: string; readonly state: RunState }[]
}

export interface ListedLog extends LogLine {
  /** Counts up: the cursor of a page, and of who follows. */
  readonly seq: string
}

/** Runs that began in one stretch of time, by what became of them. */
export interface Bucket {
  readonly from: Date
  readonly completed: number
  readonly dead: number
  readonly cancelled: number
  readonly open: number
}

/** Failures of one kind. */
export interface ErrorGroup {
  readonly functionId: string
  readonly fingerprint: string | null
  readonly code: string
  readonly message: string
  readonly count: number
  readonly firstAt: Date
  readonly lastAt: Date
  /** Of the function's code, at the first and the newest. */
  readonly firstVersion: string | null
  readonly lastVersion: string | null
  /** The newest run. */
  readonly sample: string
}

export interface FunctionStats {
  readonly functionId: string
  /** Ended within the last 24 h. */
  readonly completed: number
  readonly dead: number
  /** Of all ends; null without any. */
  readonly success: number | null
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  readonly lastError: string | null
  readonly lastErrorAt: Date | null
}

/** One minute of the last hour. */
export interface Minute {
  readonly from: Date
  readonly completed: number
  readonly dead: number
  /** From when a run was due to when it started, of those that ended in it at their first attempt. */
  readonly queueP95Ms: number | null
}

export interface QueueState {
  readonly functionId: string
  readonly waiting: number
  readonly running: number
  /** Retrying or delayed: their time has not come. */
  readonly later: number
  /** Of the run that has waited longest. */
  readonly oldestMs: number | null
}

export interface WorkerState {
  readonly id: string
  readonly host: string
  readonly pid: number
  readonly startedAt: Date
  readonly heartbeatAt: Date
  /** Runs that it holds. */
  readonly running: number
}

/** A page of what was searched for. */
export interface Found<T> {
  readonly found: readonly T[]
  /** The `after` of the next page; null at the end. */
  readonly next: string | null
  /** Only a part was looked through, down to `next`. */
  readonly partial: boolean
}

/** A stored file: one version of a key. */
export interface ListedFile {
  readonly id: string
  readonly key: string
  readonly size: number
  readonly contentType: string
  readonly sha256: string
  readonly filename: string | null
  readonly createdAt: Date
  /** When its event was in the ledger. */
  readonly announcedAt: Date | null
}

/** A version of a function's code, as far as its newest 5,000 runs show. */
export interface VersionSeen {
  readonly version: string
  readonly firstAt: Date
  readonly lastAt: Date
  readonly attempts: number
  readonly failed: number
}

/** What caused a run, from the first event on, and what it caused. */
export interface Chain {
  readonly events: readonly ListedEvent[]
  /** More were found than are given. */
  readonly cut: boolean
}

/** What people ask the ledger. Every method rejects with TPT_UNAVAILABLE when the database does not answer. */
export interface Reader {
  runs(page: Page): Promise<readonly ListedRun[]>
  /** Oldest first; `after` is the last id of the page before. */
  oldestRuns(page: Page): Promise<readonly ListedRun[]>
  /** Of runs, exact up to `most`, however long it takes. */
  countAll(filter: Filter, most: number): Promise<number>
  /** Runs with ids after `after`, that ended or failed within `sinceMs`, or are running: at most 2,000. */
  changedRuns(since: {
    readonly after: string
    readonly sinceMs: number
  }): Promise<{ readonly runs: readonly ListedRun[]; readonly nowMs: number }>
  /** As `runs`; where no index helps, 10,000 runs are looked through at a time. */
  searchRuns(page: Page): Promise<Found<ListedRun>>
  searchEvents(page: Page): Promise<Found<ListedEvent>>
  files(page: {
    readonly prefix: string
    readonly limit: number
    readonly before?: string
  }): Promise<readonly ListedFile[]>
  countRuns(filter: Filter): Promise<Count>
  events(page: Page): Promise<readonly ListedEvent[]>
  countEvents(filter: Filter): Promise<Count>
  /** Oldest first when `after` is given, for who follows; else the newest, newest first. `before` pages back. */
  logs(
    page: Omit<Page, 'after'> & { readonly after?: string; readonly before?: string },
  ): Promise<readonly ListedLog[]>
  histogram(
    filter: Filter,
    range: { readonly sinceMs: number; readonly buckets: number },
  ): Promise<readonly Bucket[]>
  /** Dead letters, most frequent first; at most 500 groups. */
  deadGroups(functionId: string | null): Promise<readonly ErrorGroup[]>
  /** Failed attempts of the last days, most frequent first; at most 500 groups. */
  errorGroups(range: { readonly sinceMs: number }): Promise<readonly ErrorGroup[]>
  functionStats(): Promise<readonly FunctionStats[]>
  minutes(): Promise<readonly Minute[]>
  queues(): Promise<readonly QueueState[]>
  workers(): Promise<readonly WorkerState[]>
  /** Versions of the function's code that tried its newest runs, the last used first; at most 50. */
  versions(functionId: string): Promise<readonly VersionSeen[]>
  chain(runId: string): Promise<Chain>
}
