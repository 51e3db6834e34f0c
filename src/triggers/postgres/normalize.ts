import { isDeepStrictEqual } from 'node:util'
import { MAX_ATTRIBUTE } from '../../events/envelope.ts'
import type { OutboxChange } from '../../outbox/outbox.ts'
import type { PostgresEvent, TruncateEvent } from './event.ts'

type Row = Readonly<Record<string, unknown>>

/** What a handler gets for a row of the outbox. `keyColumns`: of the table's primary key, in its order. */
export function normalize(
  change: OutboxChange,
  keyColumns: readonly string[],
): PostgresEvent | TruncateEvent {
  const { uid, operation, schema, table, before, after, transaction, time } = change
  const row = after ?? before
  const key = row === null ? {} : pick(row, keyColumns)
  const subject = Object.values(key).map(asText).join(',').slice(0, MAX_ATTRIBUTE)
  const envelope = {
    specversion: '1.0',
    id: uid,
    source: `/postgres/${encodeURIComponent(schema)}/${encodeURIComponent(table)}`,
    type: `postgres.${operation}`,
    ...(subject !== '' && { subject }),
    time,
    data: row,
    change: {
      schema,
      table,
      changed: changedColumns(before, after),
      ...(operation !== 'truncate' && { key }),
      transaction,
      before,
      after,
    },
  }
  return envelope as PostgresEvent | TruncateEvent
}

/** Names of the columns with another value; of a row that came or went, all. */
function changedColumns(before: Row | null, after: Row | null): readonly string[] {
  if (before === null || after === null) return Object.keys(after ?? before ?? {})
  return Object.keys(after).filter((column) => !isSame(before[column], after[column]))
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && typeof b === 'object' && isDeepStrictEqual(a, b))
}

function pick(row: Row, columns: readonly string[]): Row {
  return Object.fromEntries(
    columns.filter((column) => Object.hasOwn(row, column)).map((column) => [column, row[column]]),
  )
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
