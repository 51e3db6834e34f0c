/** A stored file as the ledger knows it: one version of a key. */
export interface FileRecord {
  /** `file_…`, the storage's id of it. */
  readonly id: string
  readonly key: string
  readonly size: number
  readonly contentType: string
  readonly sha256: string
  readonly filename: string | null
  readonly createdAt: Date
  /** When its event was in the ledger; null if that is still to be done. */
  readonly announcedAt: Date | null
}

export type NewFile = Omit<FileRecord, 'createdAt' | 'announcedAt'>

/** The ledger's table of files. Every method rejects with TPT_UNAVAILABLE when the database does not answer. */
export interface Files {
  /** Nothing happens if the id is known. */
  insert(file: NewFile): Promise<void>
  /** Its event is in the ledger. */
  markAnnounced(id: string): Promise<void>
  /** Files without an event that are at least so old, in the order of their ids, after `after`. */
  unannounced(after: string, olderThanMs: number, limit: number): Promise<readonly FileRecord[]>
  /** Those of the ids that are not in the table. */
  missing(ids: readonly string[]): Promise<readonly string[]>
  /** The version of a key that was stored last. */
  byKey(key: string): Promise<FileRecord | null>
  byId(id: string): Promise<FileRecord | null>
}
