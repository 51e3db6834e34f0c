import type { Schema } from '../../lib/schema.ts'

type Json = Readonly<Record<string, unknown>>

/** A library that can put its schemas into JSON Schema says so here. */
interface Exporting {
  readonly jsonSchema?: { readonly input?: (options: { readonly target: string }) => unknown }
}

const MAX_DEPTH = 8
const MAX_VALUES = 500

/**
 * A small value that a schema takes, for people to try a function with. Made from its JSON Schema and then shown to
 * the schema itself, because there is more to many than JSON Schema can say. Undefined when none can be made.
 */
export function sampleOf(schema: Schema): unknown {
  try {
    const root = exported(schema)
    if (root === undefined) return undefined
    const standard = schema['~standard']
    const sample = build(root, { root, left: { values: MAX_VALUES }, depth: 0 })
    const result = standard.validate(sample)
    if (!(result instanceof Promise)) return result.issues ? undefined : sample
    result.catch(() => undefined)
    return undefined
  } catch {
    return undefined
  }
}

/** More of it would burden every list of functions. */
const MAX_SCHEMA_CHARS = 20_000

/** What a schema takes, as JSON Schema 2020-12: for forms. Undefined when the library cannot say it. */
export function jsonSchemaOf(schema: Schema): unknown {
  try {
    const text = JSON.stringify(exported(schema))
    return text.length > MAX_SCHEMA_CHARS ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

function exported(schema: Schema): Json | undefined {
  const standard = schema['~standard'] as Schema['~standard'] & Exporting
  const root = standard.jsonSchema?.input?.({ target: 'draft-2020-12' })
  return isJson(root) ? root : undefined
}

interface Place {
  readonly root: Json
  readonly left: { values: number }
  readonly depth: number
}

/** @throws Error when the schema wants what is not known here, or more than is sensible. */
function build(schema: unknown, { root, left, depth }: Place): unknown {
  if (depth > MAX_DEPTH || left.values-- <= 0) throw new Error('too large')
  const inner = (part: unknown): unknown => build(part, { root, left, depth: depth + 1 })
  if (!isJson(schema)) return 'sample'
  if ('const' in schema) return schema.const
  const [known] = [schema.examples, schema.enum].flatMap((values) => (Array.isArray(values) ? values : []))
  if (known !== undefined) return known
  if (typeof schema.$ref === 'string') return inner(resolve(schema.$ref, root))
  if (Array.isArray(schema.allOf)) return Object.assign({}, ...schema.allOf.map(inner)) as unknown
  const variants = schema.anyOf ?? schema.oneOf
  if (Array.isArray(variants)) return firstOf(variants, inner)
  return ofType(schema, inner)
}

function ofType(schema: Json, inner: (part: unknown) => unknown): unknown {
  const types = [schema.type].flat()
  switch (types.find((type) => type !== 'null') ?? types[0]) {
    case 'object':
      return objectOf(schema, inner)
    case 'array':
      return arrayOf(schema, inner)
    case 'number':
    case 'integer':
      return numberOf(schema)
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      return stringOf(schema)
  }
}

/** What it must have, and no more. */
function objectOf({ properties, required }: Json, inner: (part: unknown) => unknown): unknown {
  const names = Array.isArray(required) ? (required as readonly string[]) : []
  const parts = isJson(properties) ? properties : {}
  return Object.fromEntries(names.map((name) => [name, inner(parts[name])]))
}

function arrayOf({ prefixItems, items, minItems }: Json, inner: (part: unknown) => unknown): unknown {
  const first = Array.isArray(prefixItems) ? (prefixItems as readonly unknown[]) : []
  const count = Math.min(Number(minItems ?? 0), MAX_VALUES)
  const rest = Math.max(0, count - first.length)
  return [...first, ...Array.from({ length: rest }, () => items)].map(inner)
}

const USUAL_NUMBER = 42

function numberOf({ type, minimum, exclusiveMinimum, maximum, exclusiveMaximum, multipleOf }: Json): number {
  const step = Number(multipleOf ?? (type === 'integer' ? 1 : 0.01))
  const least = Math.max(bound(minimum, -Infinity), bound(exclusiveMinimum, -Infinity) + step)
  const most = Math.min(bound(maximum, Infinity), bound(exclusiveMaximum, Infinity) - step)
  const near = Math.min(Math.max(USUAL_NUMBER, least), most)
  return multipleOf === undefined ? near : Math.ceil(near / step) * step
}

function bound(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise
}

const FORMATS: Readonly<Record<string, () => string>> = {
  uuid: () => crypto.randomUUID(),
  email: () => 'a@b.co',
  uri: () => 'https://example.com/',
  'date-time': () => new Date().toISOString(),
  date: () => new Date().toISOString().slice(0, 10),
  time: () => '12:00:00',
  duration: () => 'PT1H',
  hostname: () => 'example.com',
  ipv4: () => '192.0.2.1',
  ipv6: () => '2001:db8::1',
}

function stringOf({ format, minLength, maxLength }: Json): string {
  const known = FORMATS[String(format)]
  if (known) return known()
  const least = Math.min(bound(minLength, 0), MAX_VALUES)
  return 'sample'.padEnd(least, '-').slice(0, bound(maxLength, Infinity))
}

function firstOf(variants: readonly unknown[], inner: (part: unknown) => unknown): unknown {
  const isNull = (variant: unknown): boolean => isJson(variant) && variant.type === 'null'
  for (const variant of variants.toSorted((a, b) => Number(isNull(a)) - Number(isNull(b)))) {
    try {
      return inner(variant)
    } catch {
      // The next may be simpler.
    }
  }
  throw new Error('no variant can be made')
}

/** A pointer into the schema itself: nothing is ever fetched. */
function resolve(reference: string, root: Json): unknown {
  const keys = reference.replace(/^#\/?/, '').split('/').filter(Boolean)
  return keys.reduce<unknown>((part, key) => (isJson(part) ? part[key] : undefined), root)
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
