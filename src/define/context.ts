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

/** What a handler may touch besides its event. `Env` is made from the option `env`. */
export interface Context<Env = unknown> {
  readonly functionId: string
  readonly runId: string
  /** 1 on the first try. */
  readonly attempt: number
  readonly maxAttempts: number
  /** W3C Trace Context: what calls of yours should follow. What `send` sends does. Null without a trace. */
  readonly traceparent: string | null
  /** Aborts at the timeout, on cancellation, and when a shutdown's grace period ends. */
  readonly signal: AbortSignal
  /** The variables that the option `env` names. */
  readonly env: Env
  readonly log: FunctionLog
  /** Connections to the ledger's Postgres, or to the one that the option `database` names. Opened at first use. */
  readonly db: Pool
  readonly files: {
    /** A stored file by its key, in its newest version. Rejects with code TPT_NOT_FOUND. */
    open(key: string): Promise<StoredFile>
  }
  /**
   * Effects in Postgres exactly once: records this run in your transaction, which commits or rolls back with it. False if
   * a transaction with this run has committed before: then leave out what you were about to do. Waits for one under way.
   *
   * @param transaction a client between BEGIN and COMMIT, of `ctx.db.connect()` or of your own, on a database that has
   *   Tappet's functions: the ledger's, or one that `tappet db apply` or `tappet migrate` has seen.
   * @param name tells several effects of one run apart. At most 200 characters; default ''.
   * @throws TypeError for a pool, and for a client of `pg` outside of a transaction; TPT_CONFIG_INVALID where the database
   *   lacks `tappet.once`.
   */
  once(transaction: Transaction, name?: string): Promise<boolean>
  /** Puts a message on a queue; resolves when it is durable. At least once: pass `key` to make a repeat a no-op. */
  send<Sent>(queue: QueueTrigger<QueueEvent, Sent>, data: Sent, options?: SendOptions): Promise<void>
}

/** A client of `pg`, or anything with its `query`. */
export interface Transaction {
  query(text: string, values: unknown[]): Promise<{ readonly rows: readonly unknown[] }>
  /** `I` when it is idle, outside of a transaction; asked where there is one. */
  getTransactionStatus?(): string | null
}

export interface SendOptions {
  /** Not to be run before this long from now. Default: at once. */
  readonly delay?: Duration
  /** Names the message: sent again with the same key, it does nothing. */
  readonly key?: string
}
