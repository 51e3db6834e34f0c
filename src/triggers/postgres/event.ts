import type { Envelope } from '../../events/envelope.ts'

export type Operation = 'insert' | 'update' | 'delete'

interface Change<Row> {
  insert: { readonly before: null; readonly after: Row }
  update: { readonly before: Row; readonly after: Row }
  delete: { readonly before: Row; readonly after: null }
}

export interface ChangedTable {
  readonly schema: string
  readonly table: string
  /** Columns whose values differ between `before` and `after`; every column for an insert or delete. */
  readonly changed: readonly string[]
  /** Values of the primary key's columns; empty when the table has none. */
  readonly key: Readonly<Record<string, unknown>>
  /** Id of the transaction that wrote the row. */
  readonly transaction: string
}

/** `data` is the row as it now is, or as it last was if it was deleted. */
export type PostgresEvent<Op extends Operation = Operation, Row = unknown> = Op extends Operation
  ? Envelope<`postgres.${Op}`, Row> & { readonly change: ChangedTable & Change<Row>[Op] }
  : never

/** All rows of a table went at once. */
export type TruncateEvent = Envelope<'postgres.truncate', null> & {
  readonly change: Omit<ChangedTable, 'key'> & { readonly before: null; readonly after: null }
}
