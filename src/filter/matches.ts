import { durationMs, isNumber, readTime } from './check.ts'
import { type Field, FIELDS, statesOf } from './fields.ts'
import type { Filter } from './filter.ts'
import type { Operator, Term } from './term.ts'

/**
 * What a record says about a field: text, a number (durations and times in ms), all texts of which one must fit,
 * or null for nothing, which fits nothing.
 */
export type Fact = string | number | readonly string[] | null

/** Whether a record fits. The twin of what the ledger in Postgres selects: a test holds the two equal. */
export function matchesFilter(
  { subject, terms }: Filter,
  read: (field: string, path: readonly string[]) => Fact,
  nowMs: number,
): boolean {
  return terms.every((term) => {
    const field = FIELDS[subject][term.field]
    return field !== undefined && fits(term, field, read(term.field, term.path), nowMs) !== term.negated
  })
}

function fits(term: Term, field: Field, fact: Fact, nowMs: number): boolean {
  if (fact === null) return false
  const { operator } = term
  const facts: readonly (string | number)[] = Array.isArray(fact) ? fact : [fact as string | number]
  return facts.some((one) =>
    term.values.some((value) => fitsValue({ one, value, operator, field }, term, nowMs)),
  )
}

interface Comparison {
  readonly one: string | number
  readonly value: string
  readonly operator: Operator
  readonly field: Field
}

function fitsValue({ one, value, operator, field }: Comparison, term: Term, nowMs: number): boolean {
  if (field.kind === 'time') return fitsBound(Number(one), value, term.field, nowMs)
  if (field.kind === 'duration') return compare(Number(one), operator, durationMs(value) ?? Number.NaN)
  if (operator === '~') return lowerAscii(String(one)).includes(lowerAscii(value))
  if (field.kind === 'choice') {
    const { choices = [] } = field
    if (operator !== ':') return compare(choices.indexOf(String(one)), operator, choices.indexOf(value))
    return term.field === 'status' ? statesOf(value).includes(String(one)) : one === value
  }
  if (field.kind === 'number') return compare(Number(one), operator, Number(value))
  if (operator === ':') return one === value
  return isNumber(String(one)) && compare(Number(one), operator, Number(value))
}

function fitsBound(atMs: number, value: string, field: string, nowMs: number): boolean {
  const bound = readTime(value)
  if (bound === null) return false
  const boundMs = 'at' in bound ? bound.at.getTime() : nowMs - bound.agoMs
  return field === 'until' ? atMs <= boundMs : atMs >= boundMs
}

function compare(a: number, operator: Operator, b: number): boolean {
  if (operator === '>') return a > b
  if (operator === '>=') return a >= b
  if (operator === '<') return a < b
  if (operator === '<=') return a <= b
  return a === b
}

/** As Postgres does by its collation "C". */
export function lowerAscii(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
}

/** Escapes for which Postgres has no text: a document with one of them has values for nobody. */
const NO_TEXT = /\\u(?:0000|d[89a-f])/i

/** The text of a value within JSON, as `#>>` gives it in Postgres. */
export function textAt(document: unknown, path: readonly string[]): string | null {
  if (NO_TEXT.test(JSON.stringify(document) ?? '')) return null
  let value = document
  for (const key of path) value = child(value, key)
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function child(value: unknown, key: string): unknown {
  if (Array.isArray(value)) return /^\d{1,9}$/.test(key) ? value[Number(key)] : undefined
  if (value === null || typeof value !== 'object') return undefined
  return Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined
}
