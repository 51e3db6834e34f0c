import { escapeIdentifier, escapeLiteral } from 'pg'
import type { Binding } from './binding.ts'
import type { Relation } from './catalog.ts'

/** The statement that makes a binding's trigger. Names come from the catalog; the condition is the author's own SQL. */
export function createTriggerSql(binding: Binding, relation: Relation, owner: string): string {
  const { id, name, operation, exclude } = binding
  const level = operation === 'truncate' ? 'statement' : 'row'
  const condition = conditionOf(binding, relation)
  const args = [owner, id, relation.schema, relation.name, arrayLiteral(exclude)].map(escapeLiteral)
  return [
    `create trigger ${escapeIdentifier(name)} after ${operation} on ${qualifiedName(relation)} for each ${level}`,
    ...(condition === null ? [] : [`when (${condition})`]),
    `execute function tappet.capture(${args.join(', ')})`,
  ].join(' ')
}

export function dropTriggerSql(name: string, relation: Pick<Relation, 'schema' | 'name'>): string {
  return `drop trigger if exists ${escapeIdentifier(name)} on ${qualifiedName(relation)}`
}

/** What people read: `UPDATE OF status WHEN new.total > 100`. */
export function describe({ operation, of, when, exclude }: Binding): string {
  return [
    operation.toUpperCase(),
    ...(of.length > 0 ? [`OF ${of.join(', ')}`] : []),
    ...(when === null ? [] : [`WHEN ${when.replaceAll(/\s+/g, ' ').trim()}`]),
    ...(exclude.length > 0 ? [`WITHOUT ${exclude.join(', ')}`] : []),
  ].join(' ')
}

function qualifiedName({ schema, name }: Pick<Relation, 'schema' | 'name'>): string {
  return `${escapeIdentifier(schema)}.${escapeIdentifier(name)}`
}

/** In the trigger, where a row that does not count costs a tenth of a microsecond. */
function conditionOf({ operation, of, when }: Binding, relation: Relation): string | null {
  const parts: string[] = []
  if (operation === 'update') parts.push(changeOf(of, relation))
  // On lines of its own: it may end with a comment.
  if (when !== null) parts.push(`(\n${when}\n)`)
  return parts.length === 0 ? null : parts.join(' and ')
}

/**
 * Not `UPDATE OF`, which counts columns that a statement names although they keep their value, and misses those that a
 * BEFORE trigger changes. `*<>` compares rows of any type as they are stored.
 */
function changeOf(of: readonly string[], relation: Relation): string {
  if (of.length === 0) return 'old *<> new'
  const changed = of.map((name) => {
    const column = escapeIdentifier(name)
    const cast = relation.columns.find((one) => one.name === name)?.asText ? '::text' : ''
    return `old.${column}${cast} is distinct from new.${column}${cast}`
  })
  return `(${changed.join(' or ')})`
}

function arrayLiteral(names: readonly string[]): string {
  return `{${names.map((name) => `"${name.replaceAll(/[\\"]/g, '\\$&')}"`).join(',')}}`
}
