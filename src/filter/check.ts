import { type Duration, toMs } from '../lib/duration.ts'
import { nearest } from '../lib/nearest.ts'
import { type Field, type FieldKind, FIELDS, isOrdered, type Subject, TEXT_FIELD } from './fields.ts'
import { type Operator, type Term, wrong } from './term.ts'

const COMPARING: readonly Operator[] = [':', '>', '>=', '<', '<=']

const ALLOWED: Readonly<Record<FieldKind, readonly Operator[]>> = {
  text: [':', '~'],
  choice: [':'],
  number: COMPARING,
  duration: COMPARING.slice(1),
  time: [':'],
  path: [...COMPARING, '~'],
}

interface Places {
  readonly field: number
  readonly value: number
}

/** @throws TappetError TPT_FILTER_INVALID when the subject has no such field, or the field no such operator or value. */
export function checkTerm(term: Term, subject: Subject, at: Places): void {
  const field = fieldOf(term, subject, at)
  checkPath(term, field, at)
  const operators = field.choices && isOrdered(field.choices) ? COMPARING : ALLOWED[field.kind]
  const { values, operator } = term
  if (!operators.includes(operator))
    throw wrong(at.field, `${term.field} with ${operators.join(' or ')}`, `'${operator}'`)
  const single = field.kind === 'time' || (operator !== ':' && operator !== '~')
  if (single && values.length > 1)
    throw wrong(at.value, `one value after '${term.field}${operator}'`, `${values.length}`)
  for (const value of values) checkValue(value, field, operator, at.value)
}

function fieldOf({ field: name }: Term, subject: Subject, at: Places): Field {
  const fields = FIELDS[subject]
  const field = Object.hasOwn(fields, name) ? fields[name] : undefined
  if (field && name !== TEXT_FIELD) return field
  const names = Object.keys(fields).filter((known) => known !== TEXT_FIELD)
  throw wrong(at.field, `one of ${names.join(', ')}`, JSON.stringify(name), nearest(name, names))
}

function checkPath({ field, path }: Term, { kind }: Field, at: Places): void {
  if (kind !== 'path' && path.length > 0) throw wrong(at.field, field, `${field}.${path.join('.')}`, field)
  if (kind === 'path' && (path.length === 0 || path.includes('')))
    throw wrong(
      at.field,
      `${field}. and the keys of a value, such as ${field}.tenant`,
      [field, ...path].join('.'),
    )
}

function checkValue(value: string, field: Field, operator: Operator, at: number): void {
  const got = JSON.stringify(value.slice(0, 100))
  const { choices } = field
  if (choices && !choices.includes(value))
    throw wrong(at, `one of ${choices.join(', ')}`, got, nearest(value, choices))
  const comparing = operator !== ':' && operator !== '~'
  if ((field.kind === 'number' || (field.kind === 'path' && comparing)) && !isNumber(value))
    throw wrong(at, 'a number', got)
  if (field.kind === 'duration' && durationMs(value) === null) throw wrong(at, "a duration such as '5s'", got)
  if (field.kind === 'time' && readTime(value) === null)
    throw wrong(at, "a time such as '24h' or '2026-11-01T00:00:00Z'", got)
}

/** What both JavaScript and Postgres read as the same number. */
const NUMBER = /^-?\d{1,15}(?:\.\d{1,15})?$/

export function isNumber(text: string): boolean {
  return NUMBER.test(text)
}

export function durationMs(text: string): number | null {
  try {
    return toMs(text as Duration)
  } catch {
    return null
  }
}

/** A bound: so long ago, or an instant. */
export type Bound = { readonly agoMs: number } | { readonly at: Date }

const INSTANT = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/
/** Longer than anything is kept, and within what `interval` holds. */
const MAX_AGO_MS = 100 * 365 * 86_400_000

export function readTime(text: string): Bound | null {
  const agoMs = durationMs(text)
  if (agoMs !== null) return agoMs <= MAX_AGO_MS ? { agoMs } : null
  const at = INSTANT.test(text) ? new Date(text) : null
  return at && !Number.isNaN(at.getTime()) ? { at } : null
}
