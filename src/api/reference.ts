import type { Route } from './route.ts'
import { openapi } from './openapi.ts'

interface Parameter {
  readonly name: string
  readonly in: string
  readonly required: boolean
  readonly description?: string
  readonly schema: Schema
}

interface Schema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
  readonly default?: unknown
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
}

interface Operation {
  readonly tags: readonly string[]
  readonly summary: string
  readonly 'x-scope': string
  readonly parameters: readonly Parameter[]
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: Schema } } }
  readonly responses: Readonly<Record<string, unknown>>
}

/** `docs/api-reference.md`, made from the OpenAPI document. */
export function reference(routes: readonly Route[]): string {
  const { paths } = openapi(routes) as { readonly paths: Record<string, Record<string, Operation>> }
  const byTag = new Map<string, string[]>()
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const [tag = ''] = operation.tags
      byTag.set(tag, [...(byTag.get(tag) ?? []), section(`${method.toUpperCase()} ${path}`, operation)])
    }
  }
  const head = `# Admin API: reference\n\nMade from the OpenAPI document by \`npm run docs\`. The overview is [api.md](api.md).\n`
  return [head, ...[...byTag].map(([tag, parts]) => `\n## ${tag}\n\n${parts.join('\n')}`)].join('')
}

function section(title: string, { summary, parameters, requestBody, responses, ...rest }: Operation): string {
  const statuses = Object.keys(responses).filter((status) => status !== 'default')
  const body = requestBody?.content['application/json'].schema
  const queries = parameters.filter((each) => each.in === 'query')
  const fields = Object.entries(body?.properties ?? {})
  return [
    `### \`${title}\`\n`,
    `${summary} Scope \`${rest['x-scope']}\`, answers ${statuses.join(' or ')}.\n`,
    ...(queries.length > 0
      ? ['Query:\n', `${queries.map((each) => line(each.name, each.schema, each)).join('\n')}\n`]
      : []),
    ...(fields.length > 0
      ? [
          'Body:\n',
          `${fields.map(([name, schema]) => line(name, schema, { required: body?.required?.includes(name) ?? false })).join('\n')}\n`,
        ]
      : []),
  ].join('\n')
}

function line(
  name: string,
  schema: Schema,
  {
    required,
    description = schema.description,
  }: { readonly required: boolean; readonly description?: string },
): string {
  const type = schema.enum ? schema.enum.map((value) => `\`${String(value)}\``).join(', ') : schema.type
  const range = schema.maximum === undefined ? null : `${schema.minimum ?? 0} to ${schema.maximum}`
  const usual =
    schema.default === undefined || schema.default === ''
      ? null
      : `default \`${JSON.stringify(schema.default)}\``
  const facts = [type, range, usual, required ? 'needed' : null].filter(
    (fact) => fact !== null && fact !== undefined,
  )
  return `- \`${name}\`${facts.length > 0 ? ` (${facts.join(', ')})` : ''}${description === undefined ? '' : `: ${description}`}`
}
