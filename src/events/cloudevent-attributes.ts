import { type Envelope, MAX_ATTRIBUTE } from './envelope.ts'

export interface Attributes extends Omit<Envelope, 'data'> {
  readonly datacontenttype: string | null
  /** Further attributes, `dataschema` included, in their canonical string form. */
  readonly extensions: Readonly<Record<string, string>>
}

/** Tells what is wrong with an attribute. */
export type Check = (attribute: string, message: string) => void

/** Attributes as they came, not yet checked. */
export type Sent = Readonly<Record<string, unknown>>

const KNOWN = new Set(['specversion', 'id', 'source', 'type', 'subject', 'time', 'datacontenttype'])

/** Reads and checks all attributes but the data. What is wrong with one is told to `check`. */
export function readAttributes(attributes: Sent, check: Check, now: Date): Attributes {
  if (attributes['specversion'] !== '1.0') {
    check('specversion', `must be "1.0", got ${JSON.stringify(attributes['specversion']) ?? 'nothing'}`)
  }
  const text = (name: string): string | null =>
    optionalText(attributes[name], (message) => check(name, message))
  const required = (name: string): string => {
    if (attributes[name] === undefined || attributes[name] === null) check(name, 'is required')
    return text(name) ?? ''
  }
  const subject = text('subject')
  const datacontenttype = text('datacontenttype')
  return {
    specversion: '1.0',
    id: required('id'),
    source: required('source'),
    type: required('type'),
    ...(subject !== null && { subject }),
    time: timeOf(text('time'), check, now),
    datacontenttype,
    extensions: extensionsOf(attributes, check),
  }
}

function optionalText(value: unknown, fail: (message: string) => void): string | null {
  if (value === undefined || value === null) return null
  if (typeof value !== 'string') fail(`must be a string, got ${kindOf(value)}`)
  else if (value === '') fail('must not be empty')
  else if (value.length > MAX_ATTRIBUTE)
    fail(`must be at most ${MAX_ATTRIBUTE} characters, got ${value.length}`)
  else if (/[\p{Cc}\p{Cs}]/u.test(value)) fail('must not contain control characters or lone surrogates')
  else return value
  return null
}

const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/

/** To the millisecond, in UTC. A leap second is the second before it: nothing here can hold one. */
function timeOf(time: string | null, check: Check, now: Date): string {
  if (time === null) return now.toISOString()
  const [, year, month, day] = RFC3339.exec(time) ?? []
  const daysInMonth = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  const date = new Date(time.toUpperCase().replace(/:60(?=[.Z+-])/, ':59'))
  const fullYear = date.getUTCFullYear()
  if (year !== undefined && Number(day) <= daysInMonth && fullYear >= 1 && fullYear <= 9999)
    return date.toISOString()
  check('time', `must be an RFC 3339 time like 2026-03-29T01:30:00Z, got ${JSON.stringify(time)}`)
  return now.toISOString()
}

function extensionsOf(attributes: Sent, check: Check): Record<string, string> {
  const extensions: [string, string][] = []
  for (const [name, value] of Object.entries(attributes)) {
    if (KNOWN.has(name) || value === null || value === undefined) continue
    if (!/^[a-z0-9]+$/.test(name) || name === 'data' || name.length > MAX_ATTRIBUTE) {
      check(pointer(name), 'is not a name of an attribute: only a-z and 0-9')
      continue
    }
    const canonical = typeof value === 'boolean' || Number.isInteger(value) ? JSON.stringify(value) : value
    const text = optionalText(canonical, (message) => check(name, message))
    if (text !== null) extensions.push([name, text])
  }
  return Object.fromEntries(extensions)
}

function pointer(name: string): string {
  return name.slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1')
}

export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
