import type { Envelope } from '../../events/envelope.ts'
import type { Output, Schema } from '../../lib/schema.ts'
import type { Trigger } from '../trigger.ts'
import type { Operation, PostgresEvent, TruncateEvent } from './event.ts'

type AnyChange = Envelope & { readonly change: object }

export interface PostgresTrigger<Event extends AnyChange = AnyChange> extends Trigger<Event> {
  readonly kind: 'postgres'
  /** As declared: `orders` or `shop.orders`. */
  readonly table: string
  readonly operations: readonly (Operation | 'truncate')[]
  /** An update counts only if one of these columns changed; empty means any column. */
  readonly of: readonly string[]
  /** SQL condition over `new` and `old`, checked inside the database; null for none. */
  readonly when: string | null
  /** Columns that never leave the database. */
  readonly exclude: readonly string[]
  /** Name of the environment variable with the URL of the table's database; null for the ledger's. */
  readonly database: string | null
}

export interface TableOptions<Row extends Schema = Schema> {
  /** Describes a row as JSON: dates as text, `numeric` and `bigint` as numbers or text. */
  readonly row?: Row
  /** Columns that never leave the database, such as password hashes. */
  readonly exclude?: readonly string[]
  /** Name of the environment variable with the URL of the table's database. Default: the ledger's database. */
  readonly database?: string
}

export interface ChangeOptions {
  /** SQL condition over `new` and `old`, such as `new.total > 100`. */
  readonly when?: string
}

type AnyRow = Schema<Readonly<Record<string, unknown>>>

function table<Row extends Schema = AnyRow>(name: string, options: TableOptions<Row> = {}) {
  type Column = Extract<keyof Output<Row>, string>
  const { row, exclude = [], database = null } = options

  const trigger = <Event extends AnyChange>(
    operations: PostgresTrigger['operations'],
    { of = [], when = null }: { readonly of?: readonly string[]; readonly when?: string | null },
  ): PostgresTrigger<Event> => ({
    kind: 'postgres',
    label: `${name} ${operations.join('/')}${of.length > 0 ? ` of ${of.join(', ')}` : ''}`,
    table: name,
    operations,
    of,
    when,
    exclude,
    database,
    // Inserts have nothing before, and deletes nothing after.
    mayBeNull: ['change.before', 'change.after'],
    schemas:
      row && !operations.includes('truncate') ? { data: row, 'change.before': row, 'change.after': row } : {},
  })

  type Changed<Op extends Operation> = PostgresEvent<Op, Output<Row>>
  type UpdateOptions = ChangeOptions & { readonly of?: readonly Column[] }
  return {
    onInsert: (how: ChangeOptions = {}) => trigger<Changed<'insert'>>(['insert'], how),
    /** `of`: only when one of these columns changed its value. */
    onUpdate: (how: UpdateOptions = {}) => trigger<Changed<'update'>>(['update'], how),
    onDelete: (how: ChangeOptions = {}) => trigger<Changed<'delete'>>(['delete'], how),
    /** Insert, update and delete. A `when` applies to those of them that have both `new` and `old` it names. */
    onChange: (how: UpdateOptions = {}) => trigger<Changed<Operation>>(['insert', 'update', 'delete'], how),
    onTruncate: () => trigger<TruncateEvent>(['truncate'], {}),
  }
}

/** Runs a function when a row changes: `postgres.table('orders', { row: Order }).onInsert()`. */
export const postgres = { table }
