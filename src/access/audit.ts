/** One change through the admin API. */
export interface AuditEntry {
  /** `aud_…` */
  readonly id: string
  readonly at: Date
  /** Whose key it was; `admin`: the bootstrap key. */
  readonly keyId: string
  readonly keyName: string
  /** Method and route: `POST /_tappet/api/v1/runs/:id/replay`. */
  readonly action: string
  /** What it was called for, such as a run's id; empty when the route names nothing. */
  readonly target: string
  /** The HTTP status that it was answered with. */
  readonly status: number
  /** Of the connection: a proxy's, if there is one. */
  readonly address: string
}

export type NewAuditEntry = Omit<AuditEntry, 'at'>

/** The ledger's audit log. Every method rejects with TPT_UNAVAILABLE when the database does not answer. */
export interface Audit {
  record(entry: NewAuditEntry): Promise<void>
  /** Newest first, only those older than `before`. */
  list(limit: number, before?: string): Promise<readonly AuditEntry[]>
  /** Forgets what is older; says how many. */
  retire(olderThanMs: number): Promise<number>
}
