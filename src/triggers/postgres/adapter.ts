import type { Logger } from '../../lib/log.ts'
import type { Outbox } from '../../outbox/outbox.ts'
import type { Emit, Subscription, TriggerAdapter, TriggerProblem } from '../trigger.ts'
import type { PostgresTrigger } from './declare.ts'
import { problemsFor } from './problems.ts'
import { type Watch, watchDatabase } from './watch.ts'

export interface PostgresAdapterDeps {
  /** The outbox of a database, always the same one; the adapter starts it, its maker stops it. */
  readonly outbox: (database: string | null) => Outbox
  /** URL of a database by the name that declarations use; null: the ledger's. */
  readonly connectionUrl: (database: string | null) => string | undefined
  /** Names this installation among those that share a database. Default `default`. */
  readonly project?: string
  /** Whether triggers are put in place, or only compared with what is declared. */
  readonly install: 'apply' | 'check'
  readonly logger: Logger
}

/**
 * The Postgres trigger: row triggers in the user's transactions write changes down in the outbox of their database,
 * which brings them here. Deleted there once the ledger has the event.
 */
export function createPostgresAdapter(deps: PostgresAdapterDeps): TriggerAdapter<PostgresTrigger> {
  const { project = 'default', connectionUrl } = deps
  const watches = new Map<string | null, Watch>()
  let unreachable: readonly TriggerProblem[] = []
  let to: Emit | null = null

  const watchOf = (database: string | null, url: string, emit: Emit): Watch => {
    const known = watches.get(database)
    if (known) return known
    const watch = watchDatabase({ ...deps, project, database, url, emit, outbox: deps.outbox(database) })
    watches.set(database, watch)
    return watch
  }
  const apply = async (
    subscriptions: readonly Subscription<PostgresTrigger>[],
    emit: Emit,
  ): Promise<void> => {
    const byDatabase = groupByDatabase(subscriptions)
    // Databases that nobody names any more lose their triggers; so does the ledger's, whatever was there at the last start.
    for (const database of [null, ...watches.keys()])
      if (!byDatabase.has(database)) byDatabase.set(database, [])
    unreachable = []
    const updates: Promise<void>[] = []
    for (const [database, mine] of byDatabase) {
      const url = connectionUrl(database)
      if (url) updates.push(watchOf(database, url, emit).update(mine))
      else unreachable = [...unreachable, ...problemsFor(mine, unsetProblem(database))]
    }
    await Promise.all(updates)
  }

  return {
    kind: 'postgres',
    async start(subscriptions, emit) {
      to = emit
      await apply(subscriptions, emit)
    },
    async update(subscriptions) {
      if (to) await apply(subscriptions, to)
    },
    problems: () => [...unreachable, ...[...watches.values()].flatMap((watch) => watch.problems())],
    async stop() {
      to = null
      await Promise.all([...watches.values()].map((watch) => watch.stop()))
    },
  }
}

function groupByDatabase(
  subscriptions: readonly Subscription<PostgresTrigger>[],
): Map<string | null, Subscription<PostgresTrigger>[]> {
  const groups = new Map<string | null, Subscription<PostgresTrigger>[]>()
  for (const subscription of subscriptions) {
    const { database } = subscription.trigger
    groups.set(database, [...(groups.get(database) ?? []), subscription])
  }
  return groups
}

function unsetProblem(database: string | null): string {
  const name = database ?? 'DATABASE_URL'
  return `expected the URL of a Postgres database in the environment variable ${name}, got nothing`
}
