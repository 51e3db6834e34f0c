/** A declared table, as names to look up, the best first. */
export interface TableName {
  readonly schemas: readonly string[] | null
  readonly tables: readonly string[]
}

const PARTS = /^(?:("(?:[^"]|"")+"|[^".]+)\.)?("(?:[^"]|"")+"|[^".]+)$/
/** Of a name, in bytes; Postgres cuts off the rest. */
const MAX_BYTES = 63

/**
 * Reads `orders`, `shop.orders` or `"Sales 2026"."Orders"`. A name in quotes is taken as it is; one without is looked up
 * as it is written, then in lower case, as Postgres would.
 *
 * @returns what is wrong with it, if it is no name.
 */
export function parseTableName(declared: string): TableName | string {
  const [whole, schema, table] = PARTS.exec(declared) ?? []
  if (whole === undefined || table === undefined || declared.includes('\u0000')) {
    return `expected a table like orders, shop.orders or "Sales"."Orders", got ${JSON.stringify(declared.slice(0, 200))}`
  }
  const schemas = schema === undefined ? null : candidates(schema)
  const tables = candidates(table)
  const long = [...(schemas ?? []), ...tables].find((name) => Buffer.byteLength(name) > MAX_BYTES)
  if (long !== undefined) {
    const bytes = Buffer.byteLength(long)
    return `a name in Postgres has at most ${MAX_BYTES} bytes, got ${bytes}: ${JSON.stringify(long.slice(0, 100))}`
  }
  return { schemas, tables }
}

function candidates(part: string): readonly string[] {
  if (part.startsWith('"')) return [part.slice(1, -1).replaceAll('""', '"')]
  return [...new Set([part, part.toLowerCase()])]
}
