import { nearest } from '../../lib/nearest.ts'
import type { Subscription, TriggerProblem } from '../trigger.ts'
import type { Binding } from './binding.ts'
import type { InstalledTrigger, Relation } from './catalog.ts'
import type { PostgresTrigger } from './declare.ts'
import { parseTableName } from './table-name.ts'

/** Why declarations are not served, as far as the catalog shows. `there`: installed triggers by their place. */
export function problemsOf(
  bindings: readonly Binding[],
  relations: ReadonlyMap<string, Relation>,
  there: ReadonlyMap<string, InstalledTrigger>,
): readonly TriggerProblem[] {
  const problems = bindings.flatMap((binding) => {
    const relation = relations.get(binding.table)
    const trigger = relation && there.get(placeOf(relation.oid, binding.name))
    const off = trigger && !trigger.enabled ? disabled(trigger) : null
    const problem = problemOf(binding, relation) ?? off
    return problem === null ? [] : problemsFor(binding.subscriptions, problem)
  })
  // A function that wants three operations of a table says so once.
  return [...new Map(problems.map((problem) => [Object.values(problem).join(' '), problem])).values()]
}

/** Why a binding cannot be installed; null if it can. */
export function problemOf(binding: Binding, relation: Relation | undefined): string | null {
  const { table, of, exclude, when } = binding
  const name = parseTableName(table)
  if (typeof name === 'string') return name
  if (!relation) return `there is no table ${table} yet; its events begin when it exists`
  return (
    kindProblem(relation) ??
    columnProblem('of', of, relation) ??
    columnProblem('exclude', exclude, relation) ??
    (when?.includes('\u0000') ? '`when` must not contain NUL' : null)
  )
}

export function problemsFor(
  subscriptions: readonly Subscription<PostgresTrigger>[],
  message: string,
): readonly TriggerProblem[] {
  return subscriptions.map(({ functionId, trigger }) => ({ functionId, label: trigger.label, message }))
}

/** Where a trigger is: the key by which the declared and the installed meet. */
export function placeOf(relation: number, trigger: string): string {
  return `${relation} ${trigger}`
}

const KINDS: Readonly<Record<string, string>> = {
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
}

function kindProblem({ kind, schema, name }: Relation): string | null {
  const what = KINDS[kind]
  if (what !== undefined)
    return `${schema}.${name} is ${what}; only rows of a table of this database can be watched`
  if (schema === 'tappet') return `${schema}.${name} is a table of Tappet itself and cannot be watched`
  return null
}

function columnProblem(
  option: string,
  names: readonly string[],
  { schema, name, columns }: Relation,
): string | null {
  const known = columns.map((column) => column.name)
  const missing = names.find((one) => !known.includes(one))
  if (missing === undefined) return null
  const meant = nearest(missing, known)
  const hint = meant === null ? `Its columns are ${known.join(', ')}` : `Did you mean '${meant}'?`
  return `\`${option}\`: ${schema}.${name} has no column '${missing}'. ${hint}`
}

function disabled({ name, schema, table }: InstalledTrigger): string {
  return `trigger ${name} on ${schema}.${table} is disabled; enable it with ALTER TABLE … ENABLE TRIGGER`
}
