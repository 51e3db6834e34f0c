import type { Readable } from 'node:stream'
import type { Pool } from 'pg'
import type { Duration } from '../lib/duration.ts'
import type { QueueEvent } from '../triggers/queue/event.ts'
import type { QueueTrigger } from '../triggers/queue/declare.ts'

/** Fields first, message second; or a message alone. */
export interface FunctionLog {
  debug(fields: object, message: string): void
  debug(message: string): void
  info(fields: object, message: string): void
  info(message: string): void
  warn(fields: object, message: string): void
  warn(message: string): void
  error(fields: object, message: string): void
  error(message: string): void
}

export interface StoredFile {
  readonly key: string
  readonly size: number
  readonly contentType: string
  readonly sha256: string
  /** The content, read as it is needed. */
  stream(): Readable
  /** The content as a whole; for files that fit into memory. */
  bytes(): Promise<Buffer>
  text(): Promise<string>
}

/** What a handler may touch besides its event. */
export interface Context {
  readonly functionId: string
  readonly runId: string
  /** 1 on the first try. */
  readonly attempt: number
  readonly maxAttempts: number
  /** Aborts at the timeout, on cancellation, and when a shutdown's grace period ends. */
  readonly signal: AbortSignal
  readonly log: FunctionLog
  /** Connections to the ledger's Postgres, or to the one that the option `database` names. Opened at first use. */
  readonly db: Pool
  readonly files: {
    /** A stored file by its key, in its newest version. Rejects with code TPT_NOT_FOUND. */
    open(key: string): Promise<StoredFile>
  }
  /** Puts a message on a queue; resolves when it is durable. At least once: pass `key` to make a repeat a no-op. */
  send<Sent>(queue: QueueTrigger<QueueEvent, Sent>, data: Sent, options?: SendOptions): Promise<void>
}

export interface SendOptions {
  /** Not to be run before this long from now. Default: at once. */
  readonly delay?: Duration
  /** Names the message: sent again with the same key, it does nothing. */
  readonly key?: string
}
