import type { DatabaseState } from '../api/deps.ts'
import type { Config } from '../config.ts'
import { explain } from '../errors.ts'
import { shareAnswer } from '../lib/share.ts'
import type { Outbox } from '../outbox/outbox.ts'
import { withConnection } from '../store/postgres/console.ts'
import type { PostgresTrigger } from '../triggers/postgres/declare.ts'
import { diffBindings } from '../triggers/postgres/install.ts'
import type { Subscription } from '../triggers/trigger.ts'
import type { Adapters } from './adapters.ts'
import type { Database } from './database.ts'

export interface DatabasesDeps {
  readonly config: Config
  readonly database: Database
  readonly adapters: Pick<Adapters, 'outboxes'>
  readonly subscriptions: () => readonly Subscription<PostgresTrigger>[]
}

/** As often as a page asks; each look takes a connection to each database. */
const FRESH_MS = 10_000

/**
 * Says which functions are bound to which tables, what their databases have of it, and what waits in their outboxes. All who
 * ask within ten seconds share one look.
 */
export function openDatabases(deps: DatabasesDeps): () => Promise<readonly DatabaseState[]> {
  return shareAnswer(() => readDatabases(deps), FRESH_MS)
}

function readDatabases(deps: DatabasesDeps): Promise<readonly DatabaseState[]> {
  const { adapters, subscriptions } = deps
  const bound = subscriptions()
  const names = new Set<string | null>([null, ...bound.map(({ trigger }) => trigger.database)])
  return Promise.all(
    [...names].map(async (name) => {
      const mine = bound.filter(({ trigger }) => trigger.database === name)
      const outbox = adapters.outboxes().find((each) => each.database === name)
      return {
        database: name,
        tables: tablesOf(mine),
        ...(await compare(name, mine, deps)),
        outbox: outbox ? await depthOf(outbox) : null,
      }
    }),
  )
}

function tablesOf(subscriptions: readonly Subscription<PostgresTrigger>[]): DatabaseState['tables'] {
  const tables = [...new Set(subscriptions.map(({ trigger }) => trigger.table))].toSorted()
  return tables.map((table) => ({
    table,
    functions: subscriptions
      .filter(({ trigger }) => trigger.table === table)
      .map(({ functionId, trigger }) => ({ functionId, label: trigger.label })),
  }))
}

async function compare(
  name: string | null,
  subscriptions: readonly Subscription<PostgresTrigger>[],
  { config, database }: DatabasesDeps,
): Promise<Pick<DatabaseState, 'changes' | 'problems' | 'error'>> {
  const url = name === null ? database.url : config.variable(name)
  if (url === undefined) return { changes: [], problems: [], error: `${name} is not set` }
  try {
    const options = { project: config.project, database: name }
    const { changes, problems } = await withConnection(url, (client) =>
      diffBindings(client, subscriptions, options),
    )
    return { changes: changes.map(({ line }) => line), problems, error: null }
  } catch (error) {
    return { changes: [], problems: [], error: explain(error) }
  }
}

async function depthOf(outbox: Outbox): Promise<DatabaseState['outbox']> {
  const { leader, reconnects } = outbox.health()
  const depth = await outbox.depth().catch(() => null)
  return depth && { ...depth, leader, reconnects }
}
