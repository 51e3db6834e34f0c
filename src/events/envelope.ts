import type { Trace } from './trace.ts'

/**
 * One occurrence, as a CloudEvents 1.0 record. Everything in it is JSON, because it crosses processes and Postgres.
 *
 * `source` + `id` names the occurrence: two envelopes with the same pair are the same event seen twice.
 * Kinds add one noun of their own beside `data`: `request`, `change`, `message`.
 */
export interface Envelope<Type extends string = string, Data = unknown> extends Trace {
  readonly specversion: '1.0'
  readonly id: string
  /** URI-reference of the event source, for example `/http/POST/orders` or `/postgres/public/orders`. */
  readonly source: string
  /** What happened: `<kind>.<verb>`. The discriminant of every event union. */
  readonly type: Type
  /** What it happened to, within the source: a row key, an object key, a path. */
  readonly subject?: string
  /** When it happened, RFC 3339. */
  readonly time: string
  readonly data: Data
}

/** Longest `id`, `source`, `type` and `subject` that we store, in UTF-16 units. */
export const MAX_ATTRIBUTE = 1_024
