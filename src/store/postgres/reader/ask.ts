import type { Pool, QueryResultRow } from 'pg'
import { toStoreError } from '../pool.ts'

/** Values of a statement that is being put together. */
export interface Values {
  /** Takes a value, and answers the place-holder for it. */
  readonly bind: (value: unknown) => string
  readonly all: readonly unknown[]
}

export function values(): Values {
  const all: unknown[] = []
  return { all, bind: (value) => `$${all.push(value)}` }
}

/**
 * Runs a statement that is not prepared: it is planned for these very values, as the index that suits one state, one
 * function or the last hour does not suit another.
 */
export async function ask<Row extends QueryResultRow>(
  pool: Pool,
  text: string,
  { all }: Values = values(),
): Promise<Row[]> {
  try {
    return (await pool.query<Row>({ text, values: [...all] })).rows
  } catch (error) {
    throw toStoreError(error)
  }
}
