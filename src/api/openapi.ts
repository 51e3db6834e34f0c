import * as z from 'zod'
import { VERSION } from '../lib/version.ts'
import { API } from './paths.ts'
import type { Route } from './route.ts'

type Json = Readonly<Record<string, unknown>>

const ErrorAnswer = z
  .strictObject({
    error: z.object({
      code: z.string().meta({ description: 'One of docs/errors.md.' }),
      message: z.string(),
      hint: z.string(),
      issues: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    }),
  })
  .meta({ id: 'Error' })

/** The OpenAPI 3.1 document of a table of routes. */
export function openapi(routes: readonly Route[]): Json {
  const schemas: Record<string, unknown> = {}
  const paths: Record<string, Record<string, unknown>> = {}
  for (const one of routes) {
    const path = API + one.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [one.method.toLowerCase()]: operation(one, schemas) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Tappet', version: VERSION, description: 'The admin API of Tappet.' },
    servers: [{ url: '/' }],
    security: [{ key: [] }],
    paths,
    components: { schemas, securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
  }
}

function operation(one: Route, schemas: Record<string, unknown>): Json {
  const { method, path, tag, summary, scope, query, body, statuses, answer } = one
  const content = answer && { 'application/json': { schema: toSchema(answer, 'output', schemas) } }
  const name = path.replaceAll(/[/:._-]+(\w)/g, (_, first: string) => first.toUpperCase())
  return {
    operationId: method.toLowerCase() + name,
    tags: [tag],
    summary,
    'x-scope': scope,
    parameters: [...pathParameters(path), ...(query ? queryParameters(query, schemas) : [])],
    ...(body && {
      requestBody: { content: { 'application/json': { schema: toSchema(body, 'input', schemas) } } },
    }),
    responses: {
      ...Object.fromEntries(
        statuses.map((status) => [status, { description: 'Done.', ...(content && { content }) }]),
      ),
      default: {
        description: 'Refused.',
        content: { 'application/json': { schema: toSchema(ErrorAnswer, 'output', schemas) } },
      },
    },
  }
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    ...{ name, in: 'path', required: true },
    schema: { type: 'string' },
  }))
}

function queryParameters(query: z.ZodType, schemas: Record<string, unknown>): Json[] {
  const { properties = {}, required = [] } = toSchema(query, 'input', schemas) as {
    readonly properties?: Record<string, Json>
    readonly required?: readonly string[]
  }
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    ...{ name, in: 'query', required: required.includes(name), schema },
    ...(description !== undefined && { description }),
  }))
}

/** Schemas with an `id` become components; others stand where they are used. */
function toSchema(schema: z.ZodType, io: 'input' | 'output', schemas: Record<string, unknown>): Json {
  const {
    $schema: _,
    $defs = {},
    ...made
  } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      // A number in a query is text that looks like one: its schema says which.
      if (jsonSchema.type === 'integer') delete jsonSchema.pattern
      delete jsonSchema.id
    },
  }) as Record<string, unknown> & { $defs?: Record<string, unknown> }
  for (const [name, each] of Object.entries($defs)) schemas[name] = relink(each)
  const { id } = z.globalRegistry.get(schema) ?? {}
  if (id === undefined) return relink(made) as Json
  schemas[id] = relink(made)
  return { $ref: `#/components/schemas/${id}` }
}

function relink(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relink)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) =>
      key === '$ref' && typeof each === 'string'
        ? [key, each.replace('#/$defs/', '#/components/schemas/')]
        : [key, relink(each)],
    ),
  )
}
