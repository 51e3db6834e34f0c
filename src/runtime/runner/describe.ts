import type { FunctionDefinition } from '../../define/define-function.ts'
import type { Schema } from '../../lib/schema.ts'
import { namesIn } from '../handler/variables.ts'
import { type ModuleExports, readWebModule } from './web-module.ts'
import { jsonSchemaOf, sampleOf } from './sample.ts'

/** What a bundle's default export says of itself, as JSON. Nothing is judged here: the broker does that. */
export type Description =
  | { readonly kind: 'module' }
  | {
      readonly kind: 'function'
      readonly handler: string
      readonly options: unknown
      /** The triggers, with `true` for each schema that is one, with `samples` of what they take and `jsonSchemas`. */
      readonly on: unknown
      /** `env` is a schema: `options` has the names that it asks for instead. */
      readonly hasEnvSchema?: true
      /** It answers requests itself; `bare`: nothing but its being a function says so. */
      readonly web?: 'declared' | 'bare'
    }

/** What JSON has no word for: a function, NaN, a cycle. Printed instead. */
export interface Unprintable {
  readonly '~': string
}

const MAX_DEPTH = 8
const MAX_VALUES = 5_000

export function describeModule(module: ModuleExports): Description {
  const definition = module.default
  if (isDefinition(definition)) return describeFunction(definition.options, definition.handler)
  const web = readWebModule(module)
  if (web === null) return { kind: 'module' }
  return { ...describeFunction(web.config, web.fetch), web: web.bare ? 'bare' : 'declared' }
}

function describeFunction(
  options: unknown,
  handler: unknown,
): Extract<Description, { readonly kind: 'function' }> {
  if (!isRecord(options))
    return { kind: 'function', handler: typeof handler, options: toPlain(options), on: null }
  const { on, ...rest } = options
  const described = Array.isArray(on) ? on.map(describeTrigger) : describeTrigger(on)
  const schema = isSchema(rest.env) ? rest.env : null
  return {
    ...{ kind: 'function', handler: typeof handler, on: described },
    options: toPlain(schema ? { ...rest, env: namesIn(schema) } : rest),
    ...(schema && { hasEnvSchema: true }),
  }
}

/** By its shape, not its class: it may come from another copy of `defineFunction`. */
export function isDefinition(value: unknown): value is FunctionDefinition {
  return isRecord(value) && Object.keys(value).toSorted().join() === 'handler,options'
}

function describeTrigger(trigger: unknown): unknown {
  if (!isRecord(trigger) || !isRecord(trigger.schemas)) return toPlain(trigger)
  const { schemas, ...rest } = trigger
  const described = Object.entries(schemas).map(([path, schema]) => [
    path,
    isSchema(schema) || toPlain(schema, MAX_DEPTH - 1),
  ])
  const samples = eachSchema(schemas, sampleOf)
  const jsonSchemas = eachSchema(schemas, jsonSchemaOf)
  return {
    ...(toPlain(rest) as object),
    schemas: Object.fromEntries(described) as unknown,
    ...(Object.keys(samples).length > 0 && { samples }),
    ...(Object.keys(jsonSchemas).length > 0 && { jsonSchemas }),
  }
}

/** By path, what can be made of its schema. */
function eachSchema(
  schemas: Record<string, unknown>,
  make: (schema: Schema) => unknown,
): Record<string, unknown> {
  const made = Object.entries(schemas).map(([path, schema]) => [
    path,
    isSchema(schema) ? make(schema) : undefined,
  ])
  return Object.fromEntries(made.filter(([, one]) => one !== undefined)) as Record<string, unknown>
}

/** Libraries make schemas objects or functions (arktype). */
function isSchema(value: unknown): value is Schema {
  const standard = (value as { readonly '~standard'?: { readonly validate?: unknown } } | null)?.['~standard']
  return typeof standard?.validate === 'function'
}

/** Ends on any graph: cycles by their depth, broad ones by their size. */
function toPlain(value: unknown, depth = 0, budget = { left: MAX_VALUES }): unknown {
  if (typeof value !== 'object' || value === null) return isJson(value) ? value : unprintable(nameOf(value))
  if (depth >= MAX_DEPTH || budget.left-- <= 0) return unprintable('an object')
  const plain = (item: unknown): unknown => toPlain(item, depth + 1, budget)
  if (Array.isArray(value)) return value.map(plain)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}

function isJson(value: unknown): boolean {
  return typeof value === 'number'
    ? Number.isFinite(value)
    : typeof value === 'string' || typeof value === 'boolean' || value === null || value === undefined
}

function nameOf(value: unknown): string {
  return typeof value === 'function' ? 'a function' : String(value)
}

function unprintable(text: string): Unprintable {
  return { '~': text }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
