import fc from 'fast-check'
import { FIELDS, type Field, type Subject } from '../../src/filter/fields.ts'

/** Few words, so that they meet what is in the records of the tests. */
export const WORDS = ['acme', 'b "q"', 'Mail/Send', 'x,y', 'it\\s', 'é', '12', 'true', 'timed out', '100%_']

const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`

const VALUES: Readonly<Record<Field['kind'], fc.Arbitrary<string>>> = {
  text: fc.constantFrom(...WORDS).map(quoted),
  choice: fc.constant(''),
  number: fc.constantFrom('0', '1', '2', '3', '-1', '2.5'),
  duration: fc.constantFrom('0ms', '5s', '1.5s', '2m'),
  time: fc.constantFrom('2026-11-01T00:00:00Z', '2026-11-20', '2026-11-20T12:00:00.500Z'),
  path: fc.constantFrom(...WORDS, '2.5').map(quoted),
}
const NUMBERS = fc.constantFrom('0', '12', '2.5', '-3')

/** Texts that parse, with every field, operator and kind of value of a subject. */
export function filterTexts(subject: Subject): fc.Arbitrary<string> {
  const terms = Object.entries(FIELDS[subject]).map(([name, field]) => termTexts(name, field))
  return fc.array(fc.oneof(...terms), { maxLength: 4 }).map((all) => all.join(' '))
}

function termTexts(name: string, { kind, choices }: Field): fc.Arbitrary<string> {
  const sign = fc.constantFrom('', '', '-')
  if (name === 'text') return fc.tuple(sign, VALUES.text).map((parts) => parts.join(''))
  const value = choices ? fc.constantFrom(...choices) : VALUES[kind]
  const list = fc.array(value, { minLength: 1, maxLength: 3 }).map((all) => all.join())
  const key = fc.constantFrom('tenant', 'total', 'tags.0', 'deep.key', 'none')
  const field = kind === 'path' ? key.map((path) => `${name}.${path}`) : fc.constant(name)
  const comparing = (of: fc.Arbitrary<string>) =>
    fc.tuple(sign, field, fc.constantFrom('>', '>=', '<', '<='), of).map((parts) => parts.join(''))
  const equal = fc.tuple(sign, field, fc.constant(':'), list).map((parts) => parts.join(''))
  const contains = fc.tuple(sign, field, fc.constant('~'), list).map((parts) => parts.join(''))
  if (kind === 'time') return fc.tuple(sign, field, fc.constant(':'), value).map((parts) => parts.join(''))
  if (kind === 'duration') return comparing(value)
  if (kind === 'number') return fc.oneof(equal, comparing(value))
  if (kind === 'path') return fc.oneof(equal, contains, comparing(NUMBERS))
  if (kind === 'text') return fc.oneof(equal, contains)
  return name === 'level' ? fc.oneof(equal, comparing(value)) : equal
}
