import type { IQueueBackend, JobJson } from 'bullmq'
import type { Census } from './census.ts'
import type { Health } from './health.ts'
import type { Job } from './queue.ts'
import type { Wakeups } from './wakeups.ts'

/** What BullMQ stores of a job; its function is the queue's name. Up to 64 bytes stay in Redis' compact encoding. */
export type JobData = Pick<Job, 'runId' | 'lease'>

/** One of the stores that BullMQ runs on, with its connections. */
export interface Engine {
  readonly name: 'redis' | 'postgres'
  /** It may lose all it holds while it runs, settings included. */
  readonly forgetful: boolean
  readonly health: Health
  readonly wakeups: Wakeups
  readonly census: Census
  /** A backend of BullMQ's for one queue, on the shared connections. */
  backend(queueName: string): IQueueBackend
  /** Adds jobs to the backend's queue; one whose id it holds stays as it is. */
  add(backend: IQueueBackend, jobs: readonly JobJson[]): Promise<unknown>
  /** Whether the queue of each job holds it, in one round trip. */
  holds(jobs: readonly QueuedId[]): Promise<readonly boolean[]>
  /** Wakes whoever waits for jobs of a queue, in any process. */
  wake(queueName: string): Promise<unknown>
  ping(): Promise<unknown>
  close(): Promise<unknown>
}

export interface QueuedId {
  readonly queueName: string
  readonly id: string
}

/**
 * A job whose worker died is handed out again after at most lock + check: 12 s. The promise is 15 s; 10 s and 5 s
 * were too long by the milliseconds that it takes to hand it out.
 */
export const LEASE_OPTIONS = {
  lockDuration: 8_000,
  stalledInterval: 4_000,
  // BullMQ gives a job up that lost its worker more often than this. Here the ledger decides.
  maxStalledCount: 1_000_000,
} as const

/** BullMQ writes events that nobody here reads, and trims them to this many. 0 means "all" on Postgres. */
export const KEEP_EVENTS = 1
