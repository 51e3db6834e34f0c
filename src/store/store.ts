import type { Failure } from '../errors.ts'
import type { Envelope } from '../events/envelope.ts'
import type { Job } from '../queue/queue.ts'
import type { LogLine } from '../runtime/runtime.ts'
import type { RunEnd } from '../triggers/trigger.ts'
import type { RunState } from './run-state.ts'
import type { Metered, Usage } from './usage.ts'
import type { Lease, Neighbour, WorkerInfo } from './workers.ts'

/** A run to be made, with its event. */
export interface NewRun {
  /** `run_…`, made by the caller. */
  readonly id: string
  readonly functionId: string
  readonly trigger: number
  /** Runs of one function with the same key are one run; null: the event's own name. */
  readonly idempotencyKey: string | null
  /** Runs of one function with the same key do not overlap, and start in the order in which they were accepted. */
  readonly orderingKey: string | null
  readonly maxAttempts: number
  /** A worker that keeps a place for it: it starts there with the commit that makes it, if it may start at once. */
  readonly worker?: string | undefined
}

export interface NewEvent {
  /** `evt_…`, made by the caller. */
  readonly id: string
  readonly envelope: Envelope
  readonly aliases: readonly string[]
  readonly runs: readonly NewRun[]
  readonly delayMs: number
  /** The run that sent it. */
  readonly cause?: string
}

export interface Acceptance {
  /** The first delivery's id when this is a duplicate. */
  readonly eventId: string
  /** In the order of `runs`; for duplicates, those that exist. */
  readonly runIds: readonly string[]
  readonly duplicate: boolean
  /** Runs that were made now and may start at once. */
  readonly jobs: readonly Job[]
  /** Runs that were made now and have been started on the worker that kept a place. */
  readonly claims: readonly Claim[]
}

/** A run that a worker has taken: nobody else may finish it while `lease` is the newest. */
export interface Claim {
  readonly runId: string
  readonly functionId: string
  readonly lease: number
  readonly attempt: number
  readonly maxAttempts: number
  readonly trigger: number
  readonly losses: number
  /** How often it has ended its process with nobody else in it. */
  readonly crashes: number
  /** Digest of its ordering key, in hexadecimal. */
  readonly order: string | null
  readonly event: Envelope
}

/** How one attempt ended. */
export type Outcome =
  | { readonly kind: 'completed'; readonly result: unknown }
  | { readonly kind: 'retry'; readonly failure: Failure; readonly delayMs: number }
  | { readonly kind: 'dead'; readonly failure: Failure }
  /** Given back without using the attempt: a shutdown, or a process that died of something else. */
  | { readonly kind: 'released'; readonly failure: Failure }

export interface Finish {
  readonly runId: string
  readonly functionId: string
  readonly lease: number
  readonly attempt: number
  /** As the claim has it. */
  readonly order: string | null
  readonly outcome: Outcome
  /** Version of the function's code. */
  readonly version: string
  readonly durationMs: number
  readonly meter?: Metered | null
}

export type { Lease, Metered, Neighbour, WorkerInfo }

export interface Run {
  readonly id: string
  readonly functionId: string
  /** The ledger's id of the event, `evt_…`. */
  readonly eventId: string
  readonly state: RunState
  readonly trigger: number
  readonly attempt: number
  readonly maxAttempts: number
  readonly lease: number
  readonly losses: number
  readonly worker: string | null
  /** It waits for earlier runs with its ordering key. */
  readonly held: boolean
  readonly dueAt: Date
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
  readonly result: unknown
  readonly failure: Failure | null
}

export interface Attempt {
  readonly lease: number
  readonly number: number
  readonly outcome: 'completed' | 'retry' | 'dead' | 'released' | 'lost' | 'cancelled'
  readonly worker: string | null
  readonly version: string | null
  readonly startedAt: Date
  readonly finishedAt: Date
  readonly failure: Failure | null
  /** Null where it was not measured. */
  readonly meter: Metered | null
}

export interface RunFilter {
  readonly state?: RunState
  readonly functionId?: string
  /** Only runs older than this id: the page after the one that ended with it. */
  readonly before?: string
  /** Default 50, at most 500. */
  readonly limit?: number
}

export interface Pause {
  readonly functionId: string
  readonly pausedAt: Date
  /** Name of the key. */
  readonly pausedBy: string
}

export interface Retention {
  /** Completed and cancelled runs, and events without open runs. At least 96 h, the window of G3. */
  readonly runsMs: number
  /** Dead letters. */
  readonly deadMs: number
}

export interface Ping {
  /** Round trip. */
  readonly ms: number
  /** The database's clock as the answer came, in ms since 1970. */
  readonly databaseMs: number
  /** How far that is ahead of ours. */
  readonly clockOffsetMs: number
}

/**
 * The ledger: which events came in, which runs they made, how each attempt ended. All times are the database's.
 * Every method rejects with TPT_UNAVAILABLE when the database does not answer.
 */
export interface Store {
  /**
   * Saves an event with its runs, all or none; concurrent calls share a commit. An event whose name is known saves
   * nothing and answers what the first delivery made. An alias says more than a name: it is asked first. Of two runs of
   * one function with the same key, the first is made.
   *
   * Of the runs of a function with the same ordering key, only the first that is not over, the head, may start: the
   * others are held. Of two, the one whose call resolved before the other's was made comes first.
   */
  accept(event: NewEvent): Promise<Acceptance>
  /** The runs' jobs are on the queue. Runs that have started since are left alone. */
  markQueued(jobs: readonly Job[]): Promise<void>
  /** Takes a run for a worker; null if it is over, taken, held, not due, or started since the job was made. */
  claim(job: Job, workerId: string): Promise<Claim | null>
  /**
   * Ends an attempt. False, and nothing changed, if the lease is not the newest any more: another has taken over.
   * Rejects with TPT_RESULT_INVALID when it is the outcome that cannot be stored.
   */
  finish(finish: Finish): Promise<boolean>
  /** Runs whose time has come and that are not marked as queued, oldest first. Accepted ones after a grace of 1 s. */
  due(limit: number): Promise<readonly Job[]>
  /** Ms until the next retrying or delayed run is due; null if there is none. */
  nextDueMs(): Promise<number | null>
  /** Runs marked as queued at least `olderThanMs` ago, in the order of their ids, after `after`. */
  queued(after: string, olderThanMs: number, limit: number): Promise<readonly Job[]>
  /** Says that a worker is alive. Answers those of its leases that are not its own any more: cancelled or taken over. */
  heartbeat(worker: WorkerInfo, held: readonly Lease[]): Promise<readonly Lease[]>
  /** Puts runs back that a living worker holds without knowing it, and says which. */
  disown(workerId: string, held: readonly Lease[]): Promise<readonly Job[]>
  /** Workers of a machine that have been silent for `silentMs`. */
  neighbours(machine: string, silentMs: number): Promise<readonly Neighbour[]>
  /** Workers that are gone: `reclaim` takes their runs at once. One that is not says so with its next heartbeat. */
  forget(workerIds: readonly string[]): Promise<void>
  /** Takes the runs of workers that have been forgotten, or silent for `silentMs`, and puts them back. At `maxLosses` a run is dead. */
  reclaim(silentMs: number, maxLosses: number): Promise<readonly Job[]>
  /** The worker stops: its runs, if any are left, are put back. */
  leave(workerId: string): Promise<readonly Job[]>
  appendLogs(lines: readonly LogLine[]): Promise<void>

  run(runId: string): Promise<Run | null>
  runs(filter: RunFilter): Promise<readonly Run[]>
  event(eventId: string): Promise<{ readonly envelope: Envelope; readonly receivedAt: Date } | null>
  attempts(runId: string): Promise<readonly Attempt[]>
  logs(runId: string): Promise<readonly LogLine[]>
  /** How many runs each function has in each state; final ones of the last 24 h only. */
  stats(): Promise<
    readonly { readonly functionId: string; readonly state: RunState; readonly count: number }[]
  >

  /**
   * Starts a dead or cancelled run again with all its attempts, behind the others with its ordering key. Answers what
   * may start now: nothing if it is held. Null if it is neither dead nor cancelled.
   */
  replay(runId: string): Promise<readonly Job[] | null>
  /** Ends a run that is not over. False if it is. */
  cancel(runId: string): Promise<boolean>
  /** Lets no run of the function start, in any process, until `resume`. Runs under way go on. */
  pause(functionId: string, by: string): Promise<void>
  /** Answers runs that wait, the first 500, to be put on the queue at once; the sweep finds the others. */
  resume(functionId: string): Promise<readonly Job[]>
  paused(): Promise<readonly Pause[]>
  /** What functions took in the last `days` days, today included, by the day (UTC) on which attempts ended. */
  usage(days: number): Promise<readonly Usage[]>
  /** Sums up the days that are over, so that they outlive their attempts. Answers how many sums were new. Before `retire`. */
  sumUsage(): Promise<number>
  /** Removes what is older than the retention, in small batches. Answers how many events went. */
  retire(retention: Retention): Promise<number>

  /** Calls back with each run that this process has finished, and with how it ended. */
  onFinished(listener: (runId: string, end: RunEnd) => void): () => void
  /** Calls back with runs that may start now because this process has ended the one that they were held behind. */
  onReleased(listener: (jobs: readonly Job[]) => void): () => void
  ping(): Promise<Ping>
  close(): Promise<void>
}
