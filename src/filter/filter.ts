import { type Subject, TEXT_FIELD } from './fields.ts'
import { checkTerm } from './check.ts'
import { type Operator, type Term, wrong } from './term.ts'

/**
 * What people type to select runs, events or log lines, in the command line, the API and the dashboard alike:
 * `status:failed function:mail/send since:24h error~"timed out" -data.tenant:acme attempt>1`.
 * All terms must hold.
 */
export interface Filter {
  readonly subject: Subject
  readonly terms: readonly Term[]
}

export const MAX_FILTER_CHARS = 2_000
const MAX_TERMS = 50
const OPERATORS: readonly Operator[] = ['>=', '<=', ':', '~', '>', '<']
/** A value that needs no quotes. */
const BARE = /^[^\s,"]+$/
/** A word that cannot be taken for a field with an operator. */
const BARE_TEXT = /^[\p{L}\p{N}_/][\p{L}\p{N}_/.-]*$/u

/**
 * @throws TappetError TPT_FILTER_INVALID, which says where, what was expected, what came, and what was probably meant.
 */
export function parseFilter(text: string, subject: Subject): Filter {
  if (text.length > MAX_FILTER_CHARS)
    throw wrong(0, `at most ${MAX_FILTER_CHARS} characters`, `${text.length}`)
  const bad = firstUnstorable(text)
  if (bad >= 0) throw wrong(bad, 'text', 'a character that no database can hold')
  const terms: Term[] = []
  const cursor = { text, at: 0 }
  for (skipSpace(cursor); cursor.at < text.length; skipSpace(cursor)) {
    if (terms.length === MAX_TERMS) throw wrong(cursor.at, `at most ${MAX_TERMS} terms`, 'more')
    terms.push(readTerm(cursor, subject))
  }
  return { subject, terms }
}

/** The shortest text that parses to the same filter. */
export function printFilter({ terms }: Filter): string {
  return terms.map(printTerm).join(' ')
}

function printTerm({ field, path, operator, values, negated }: Term): string {
  const sign = negated ? '-' : ''
  const [only = ''] = values
  if (field === TEXT_FIELD) return sign + (BARE_TEXT.test(only) ? only : quote(only))
  const list = values.map((value) => (BARE.test(value) ? value : quote(value))).join()
  return `${sign}${[field, ...path].join('.')}${operator}${list}`
}

function quote(value: string): string {
  return `"${value.replaceAll(/["\\]/g, '\\$&')}"`
}

interface Cursor {
  readonly text: string
  at: number
}

function readTerm(cursor: Cursor, subject: Subject): Term {
  const negated = cursor.text[cursor.at] === '-'
  if (negated) cursor.at++
  const start = cursor.at
  if (cursor.text[start] === '"') {
    const term = {
      field: TEXT_FIELD,
      path: [],
      operator: '~' as const,
      values: [readQuoted(cursor)],
      negated,
    }
    endOfTerm(cursor)
    return term
  }
  const name = take(cursor, /[^\s:~<>="]*/y)
  const operator = OPERATORS.find((each) => cursor.text.startsWith(each, cursor.at))
  if (!operator) return readText(cursor, { name, start, negated })
  if (name === '') throw wrong(start, `a field before '${operator}'`, 'none')
  cursor.at += operator.length
  const valueAt = cursor.at
  const values = readValues(cursor)
  const [field = '', ...path] = name.split('.')
  const term = { field, path, operator, values, negated }
  checkTerm(term, subject, { field: start, value: valueAt })
  return term
}

function readText(
  cursor: Cursor,
  { name, start, negated }: { readonly name: string; readonly start: number; readonly negated: boolean },
): Term {
  const next = cursor.text[cursor.at]
  if (next === '=') throw wrong(cursor.at, "':' between field and value", "'='", ':')
  if (next === '"') throw wrong(cursor.at, `an operator after ${JSON.stringify(name)}`, 'a quote', ':')
  if (name === '') throw wrong(start, "a field or a word after '-'", 'none')
  return { field: TEXT_FIELD, path: [], operator: '~', values: [name], negated }
}

function readValues(cursor: Cursor): string[] {
  const values: string[] = []
  for (;;) {
    const start = cursor.at
    const value = cursor.text[start] === '"' ? readQuoted(cursor) : take(cursor, /[^\s,"]*/y)
    if (value === '') throw wrong(start, 'a value', start === cursor.at ? 'none' : 'an empty one')
    values.push(value)
    if (cursor.text[cursor.at] !== ',') break
    cursor.at++
  }
  endOfTerm(cursor)
  return values
}

function readQuoted(cursor: Cursor): string {
  const start = cursor.at++
  let value = ''
  for (; cursor.at < cursor.text.length; cursor.at++) {
    const char = cursor.text[cursor.at]
    if (char === '"') {
      cursor.at++
      if (value === '') throw wrong(start, 'text between the quotes', 'none')
      return value
    }
    if (char === '\\') {
      const escaped = cursor.text[++cursor.at]
      if (escaped !== '"' && escaped !== '\\')
        throw wrong(cursor.at - 1, String.raw`\" or \\`, `\\${escaped ?? ''}`)
      value += escaped
    } else value += char
  }
  throw wrong(start, 'a closing quote', 'the end')
}

function endOfTerm({ text, at }: Cursor): void {
  if (at < text.length && !/\s/.test(text[at] ?? '')) throw wrong(at, 'a space', JSON.stringify(text[at]))
}

function skipSpace(cursor: Cursor): void {
  take(cursor, /\s*/y)
}

function take(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.at
  const found = pattern.exec(cursor.text)?.[0] ?? ''
  cursor.at += found.length
  return found
}

function firstUnstorable(text: string): number {
  for (let at = 0; at < text.length; at++) {
    const code = text.codePointAt(at) ?? 0
    if (code === 0 || (code >= 0xd800 && code <= 0xdfff)) return at
    if (code > 0xffff) at++
  }
  return -1
}
