import { createHash } from 'node:crypto'
import type { Subscription } from '../trigger.ts'
import type { PostgresTrigger } from './declare.ts'

export type AnyOperation = PostgresTrigger['operations'][number]

/** One trigger in the database: what functions that want the same rows share. */
export interface Binding {
  /** Hash of all that makes it; the trigger writes it down with each row. */
  readonly id: string
  /** Name of the trigger; those of one owner share a prefix. */
  readonly name: string
  readonly table: string
  readonly operation: AnyOperation
  readonly of: readonly string[]
  /** SQL condition; null when there is none, or none that this operation can have. */
  readonly when: string | null
  readonly exclude: readonly string[]
  readonly subscriptions: readonly Subscription<PostgresTrigger>[]
}

/** Raised when the way in which triggers are made changes, so that all are made anew. */
const LAYOUT = 1

/** The triggers that subscriptions need. One for each operation, because a condition on `old` has no meaning for an insert. */
export function bindingsOf(
  subscriptions: readonly Subscription<PostgresTrigger>[],
  owner: string,
): readonly Binding[] {
  const bindings = new Map<string, Binding>()
  for (const subscription of subscriptions) {
    for (const operation of new Set(subscription.trigger.operations)) {
      const { id, ...binding } = bindingOf(subscription, operation, owner)
      const others = bindings.get(id)?.subscriptions ?? []
      bindings.set(id, { ...binding, id, subscriptions: [...others, subscription] })
    }
  }
  return [...bindings.values()]
}

/** What the names of all triggers of an owner begin with. */
export function namePrefix(owner: string): string {
  return `tappet_${hash(owner, 8)}_`
}

function bindingOf(
  subscription: Subscription<PostgresTrigger>,
  operation: AnyOperation,
  owner: string,
): Binding {
  const { table, when: declared, ...trigger } = subscription.trigger
  const of = operation === 'update' ? sorted(trigger.of) : []
  const exclude = operation === 'truncate' ? [] : sorted(trigger.exclude)
  const when = declared !== null && appliesTo(declared, operation) ? declared : null
  const id = hash(JSON.stringify([LAYOUT, owner, table, operation, of, when, exclude]), 20)
  const name = `${namePrefix(owner)}${id}_${operation}`
  return { id, name, table, operation, of, when, exclude, subscriptions: [subscription] }
}

/**
 * Whether an operation has the rows that a condition names: an insert has no `old`, a delete no `new`, a truncate
 * neither. Where it does not apply, the operation is not filtered.
 */
export function appliesTo(when: string, operation: AnyOperation): boolean {
  if (operation === 'truncate') return false
  if (operation === 'update') return true
  const missing = operation === 'insert' ? /\bold\b/i : /\bnew\b/i
  return !missing.test(when.replace(NOT_NAMES, ' '))
}

/** Comments, and text in quotes of any kind: no names of rows stand there. */
const NOT_NAMES = /--[^\n]*|\/\*.*?\*\/|'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$|"(?:[^"]|"")*"/gs

function sorted(names: readonly string[]): readonly string[] {
  return [...new Set(names)].toSorted()
}

function hash(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length)
}
