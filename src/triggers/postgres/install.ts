import type { ClientBase, QueryConfig } from 'pg'
import { changeOwner } from '../../outbox/owner.ts'
import type { Subscription, TriggerProblem } from '../trigger.ts'
import { type Binding, bindingsOf, namePrefix } from './binding.ts'
import { findRelations, findTriggers, type InstalledTrigger, type Relation } from './catalog.ts'
import type { PostgresTrigger } from './declare.ts'
import { createTriggerSql, describe, dropTriggerSql } from './definition.ts'
import { placeOf, problemOf, problemsOf } from './problems.ts'

/** What a database has against what is declared. Nothing has been changed yet. */
export interface DbDiff {
  /** In the order in which they are to be made: of each table what goes, then what comes. */
  readonly changes: readonly TriggerChange[]
  /** Declarations that cannot be installed, and why. */
  readonly problems: readonly TriggerProblem[]
  /** Of each binding whose table exists: the columns of its primary key. */
  readonly keys: ReadonlyMap<string, readonly string[]>
}

export interface TriggerChange {
  readonly action: 'create' | 'drop'
  /** For people: `+ public.orders trigger tappet_… (INSERT)`. */
  readonly line: string
  /** The table's oid. */
  readonly relation: number
  readonly sql: string
  /** Which functions wait for it. */
  readonly subscriptions: readonly Subscription<PostgresTrigger>[]
  /** Changes with anything that could let a failed change succeed. */
  readonly fingerprint: string
}

export interface DiffOptions {
  /** Names this installation among those that share the database. Default `default`. */
  readonly project?: string
  /** As the declarations name the database. Default null: the ledger's. */
  readonly database?: string | null
}

export interface ApplyOptions {
  /** How long to wait for a table's lock; writers that come later wait behind us. Default 2,000. */
  readonly lockTimeoutMs?: number
}

export interface Applied {
  readonly applied: readonly TriggerChange[]
  readonly failed: readonly FailedChange[]
}

export interface FailedChange {
  readonly change: TriggerChange
  readonly message: string
  /** Somebody held the table: worth another try as it is. */
  readonly locked: boolean
}

/**
 * Compares triggers by table and name; the name holds a hash of everything that makes a trigger. Takes no locks.
 *
 * @param subscriptions those of this database, all of them: triggers that nobody binds any more are to be dropped.
 */
export async function diffBindings(
  client: ClientBase,
  subscriptions: readonly Subscription<PostgresTrigger>[],
  { project = 'default', database = null }: DiffOptions = {},
): Promise<DbDiff> {
  const owner = changeOwner(project, database)
  const bindings = bindingsOf(subscriptions, owner)
  const relations = await findRelations(client, [...new Set(bindings.map(({ table }) => table))])
  const installed = await findTriggers(client, namePrefix(owner))
  const known = bindings.flatMap((binding) => {
    const relation = relations.get(binding.table)
    return relation ? [{ binding, relation }] : []
  })
  const there = new Map(installed.map((trigger) => [placeOf(trigger.relation, trigger.name), trigger]))
  const declared = new Set(known.map(({ binding, relation }) => placeOf(relation.oid, binding.name)))
  const creates = known
    .filter(({ binding, relation }) => problemOf(binding, relation) === null)
    .filter(({ binding, relation }) => !there.has(placeOf(relation.oid, binding.name)))
    .map(({ binding, relation }) => createChange(binding, relation, owner))
  const drops = installed
    .filter(({ relation, name }) => !declared.has(placeOf(relation, name)))
    .map((trigger) => dropChange(trigger, creates))
  return {
    changes: inOrder(drops, creates),
    problems: problemsOf(bindings, relations, there),
    keys: new Map(known.map(({ binding, relation }) => [binding.id, relation.key])),
  }
}

/** Makes the changes, each table's in one transaction. A change that fails leaves the others of its table alone. */
export async function applyDiff(
  client: ClientBase,
  { changes }: Pick<DbDiff, 'changes'>,
  { lockTimeoutMs = 2_000 }: ApplyOptions = {},
): Promise<Applied> {
  const applied: TriggerChange[] = []
  const failed: FailedChange[] = []
  for (const relation of new Set(changes.map((change) => change.relation))) {
    const mine = changes.filter((change) => change.relation === relation)
    const done = await applyToTable(client, mine, lockTimeoutMs)
    applied.push(...done.applied)
    failed.push(...done.failed)
  }
  return { applied, failed }
}

async function applyToTable(
  client: ClientBase,
  changes: readonly TriggerChange[],
  lockTimeoutMs: number,
): Promise<Applied> {
  const applied: TriggerChange[] = []
  const failed: FailedChange[] = []
  await client.query('begin')
  try {
    await client.query(`set local lock_timeout = ${Math.max(1, Math.round(lockTimeoutMs))}`)
    for (const change of changes) {
      const failure = failed.some(({ locked }) => locked) ? LOCKED : await tryChange(client, change)
      if (failure === null) applied.push(change)
      else failed.push({ ...failure, change })
    }
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
  return { applied, failed }
}

type Failure = Omit<FailedChange, 'change'>

const LOCKED: Failure = { message: 'a transaction holds the table; trying again', locked: true }
/** lock_not_available, deadlock_detected */
const LOCK_CODES = ['55P03', '40P01']

async function tryChange(client: ClientBase, { sql }: TriggerChange): Promise<Failure | null> {
  await client.query('savepoint one')
  try {
    // The extended protocol takes one statement only, whatever a condition contains.
    const statement: QueryConfig & { queryMode: 'extended' } = { text: sql, queryMode: 'extended' }
    await client.query(statement)
    return null
  } catch (error) {
    await client.query('rollback to savepoint one')
    const { code = '', message } = error as Error & { readonly code?: string }
    return LOCK_CODES.includes(code) ? LOCKED : { message, locked: false }
  }
}

/** Of each table first what goes, which needs the stronger lock. */
function inOrder(
  drops: readonly TriggerChange[],
  creates: readonly TriggerChange[],
): readonly TriggerChange[] {
  const changes = [...drops, ...creates]
  return [...new Set(changes.map(({ relation }) => relation))].flatMap((relation) =>
    changes.filter((change) => change.relation === relation),
  )
}

function createChange(binding: Binding, relation: Relation, owner: string): TriggerChange {
  const sql = createTriggerSql(binding, relation, owner)
  return {
    action: 'create',
    line: `+ ${relation.schema}.${relation.name} trigger ${binding.name} (${describe(binding)})`,
    relation: relation.oid,
    sql,
    subscriptions: binding.subscriptions,
    fingerprint: JSON.stringify([relation, sql]),
  }
}

function dropChange(trigger: InstalledTrigger, creates: readonly TriggerChange[]): TriggerChange {
  const { name, relation, schema, table } = trigger
  const operation = name.slice(name.lastIndexOf('_'))
  const replaced = creates.some(
    (change) => change.relation === relation && change.line.includes(`${operation} (`),
  )
  const sql = dropTriggerSql(name, { schema, name: table })
  const line = replaced
    ? `~ ${schema}.${table} drop trigger ${name} (its function binds something else now)`
    : `- ${schema}.${table} drop trigger ${name} (no function binds it any more)`
  return { action: 'drop', line, relation, sql, subscriptions: [], fingerprint: sql }
}
