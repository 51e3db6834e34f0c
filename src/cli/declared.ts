import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { PostgresTrigger } from '../triggers/postgres/declare.ts'
import type { Declared, Subscription } from '../triggers/trigger.ts'
import type { Cli } from './cli.ts'
import { CliError } from './errors.ts'
import { findRunning } from './server.ts'
import type { Functions } from './verbs/functions.ts'

type Listed = Pick<Functions, 'problems'> & {
  readonly functions: readonly { readonly id: string; readonly triggers: readonly Declared[] }[]
}

export interface DeclaredTables {
  /** By the name that declarations use for the database; null: the ledger's. */
  readonly byDatabase: ReadonlyMap<string | null, readonly Subscription<PostgresTrigger>[]>
  /** Files that could not be read: what they declare is not known. */
  readonly problems: Functions['problems']
}

/** The Postgres triggers that functions declare: as the server has them, or read from `functions/` when none runs. */
export async function declaredTables(cli: Cli): Promise<DeclaredTables> {
  const { functions, problems } = await listed(cli)
  const byDatabase = new Map<string | null, Subscription<PostgresTrigger>[]>([[null, []]])
  for (const { id, triggers } of functions) {
    for (const [index, trigger] of triggers.entries()) {
      if (trigger.kind !== 'postgres') continue
      const subscription = { functionId: id, index, trigger: trigger as Declared<PostgresTrigger> }
      const { database } = subscription.trigger
      byDatabase.set(database, [...(byDatabase.get(database) ?? []), subscription])
    }
  }
  return { byDatabase, problems }
}

async function listed(cli: Cli): Promise<Listed> {
  const named = cli.flags.url !== undefined || Boolean(cli.environment().TAPPET_URL)
  if (named || (await findRunning(cli))) return (await cli.server()).get<Functions>('/functions')
  if (!existsSync(join(cli.root, 'functions'))) {
    const hint = 'Go to the project, or name it with --cwd.'
    throw new CliError('TPT_CONFIG_INVALID', `expected a folder functions/ in ${cli.root}, found none`, {
      hint,
    })
  }
  const { root, stateFolder, variable } = cli.config()
  const { createDescriber } = await import('../runtime/describer.ts')
  const { loadCatalog } = await import('../runtime/catalog.ts')
  const path = variable('PATH')
  const describe = createDescriber({ root, environment: path === undefined ? {} : { PATH: path } })
  return loadCatalog({ root, buildDir: join(stateFolder, 'build'), describe })
}
