/**
 * A hint that a run may start now. The ledger knows everything else, and decides: a hint that is lost is made again
 * by the sweeper, one that comes twice finds its run taken. So a queue may lose and repeat jobs without harm.
 */
export interface Job {
  readonly runId: string
  readonly functionId: string
  /** How often the run had been started when the hint was made. A later start makes the hint void. */
  readonly lease: number
  /** Goes before those that wait: its run had been started once. Told to the queue only; whoever gets the job is not. */
  readonly first?: boolean
}

/** The queue's id of a job: one per hand-out of a run, so that a stale job never hides a new one. */
export function jobId({ runId, lease }: Job): string {
  return `${runId}-${lease}`
}

/** Handles one job, to its end. A rejection means nothing to the queue: the ledger has the record. */
export type Work = (job: Job) => Promise<void>

export interface ConsumeOptions {
  readonly functionId: string
  /** Most jobs of this function at once in this process. */
  readonly concurrency: number
  /** Most jobs of this function at once in all processes; null for no limit. */
  readonly limit: number | null
}

export interface Consumer {
  /** Takes no more jobs, and resolves when those under way have been handled. Idempotent. */
  stop(): Promise<void>
}

export interface QueueCounts {
  readonly waiting: number
  readonly active: number
}

/** Moves jobs to workers, each function apart from the others. Delivers at least once, most often once. */
export interface Queue {
  readonly engine: 'redis' | 'postgres' | 'memory'
  /** Jobs whose id the queue still holds are not added again. Rejects with TPT_UNAVAILABLE within 2 s when it cannot. */
  add(jobs: readonly Job[]): Promise<void>
  /** Those of the jobs that the queue does not hold, neither waiting nor active. */
  missing(jobs: readonly Job[]): Promise<readonly Job[]>
  /** Hands jobs to `work` as they come. Resolves when the consumer listens. */
  consume(options: ConsumeOptions, work: Work): Promise<Consumer>
  counts(functionId: string): Promise<QueueCounts>
  /** Calls back each time the connection is there again after it was lost. Returns how to stop that. */
  onReconnect(listener: () => void): () => void
  /** Whether the backend answers, in ms; rejects with TPT_UNAVAILABLE within 2 s when it does not. */
  ping(): Promise<number>
  /** Stops consumers, then lets go of connections. Never waits longer than 5 s for a backend that is down. */
  close(): Promise<void>
}
