/** A row that changed, as its trigger wrote it down inside the writer's transaction. */
export interface OutboxChange {
  readonly kind: 'change'
  /** UUID made by the database: the event's id. */
  readonly uid: string
  /** Which installed trigger wrote it: the binding's id. */
  readonly binding: string
  readonly operation: 'insert' | 'update' | 'delete' | 'truncate'
  readonly schema: string
  /** As declared: of a partitioned table the root. */
  readonly table: string
  /** The row before and after, as JSON; null where there is none. */
  readonly before: Readonly<Record<string, unknown>> | null
  readonly after: Readonly<Record<string, unknown>> | null
  readonly transaction: string
  /** RFC 3339. */
  readonly time: string
}

/** A message that SQL sent: `select tappet.send('emails', '{"to":"a@b.co"}')`. */
export interface OutboxMessage {
  readonly kind: 'message'
  readonly uid: string
  readonly queue: string
  readonly data: unknown
  readonly key: string | null
  readonly delayMs: number
  readonly time: string
}

export type OutboxRow = OutboxChange | OutboxMessage

/**
 * What transactions of one database have written down for us. Rows are handed on in the order in which they were
 * written, by one process at a time, and deleted once `deliver` has resolved; if it rejects, or we die before, they come
 * again with the same `uid`.
 */
export interface Outbox {
  /** Name of the environment variable with the database's URL; null for the ledger's database. */
  readonly database: string | null
  /**
   * Sets who takes the rows of a kind. Rows of a kind that nobody takes stay. So do rows of a binding that `knows` does
   * not name, for as long as its trigger is installed: another process, of a newer version, is to take them.
   */
  take<Kind extends OutboxRow['kind']>(
    kind: Kind,
    deliver: (rows: readonly Extract<OutboxRow, { kind: Kind }>[]) => Promise<void>,
    knows?: () => readonly string[],
  ): void
  /** Creates what it needs in the database, and drains from then on. Idempotent. */
  start(): Promise<void>
  /** How many rows wait (exact up to 10,000), and the age of the oldest. */
  depth(): Promise<{ readonly rows: number; readonly oldestMs: number }>
  /** Whether this process drains, and how old the last sign of life of its LISTEN is. */
  health(): { readonly leader: boolean; readonly echoMs: number; readonly reconnects: number }
  /** Takes no more rows, then resolves when those under way are delivered. Idempotent. */
  stop(): Promise<void>
}
