import type { Command } from 'commander'
import type { MigrationSet } from '../../store/migrate.ts'
import type { Cli } from '../cli.ts'
import { CliError, EXIT } from '../errors.ts'
import { findRunning } from '../server.ts'
import { examples, type Verb } from '../verb.ts'

const SETS: readonly MigrationSet[] = ['ledger', 'outbox']

export function addMigrate(program: Command, verb: Verb): void {
  program
    .command('migrate')
    .description(
      "bring the ledger's database up to date (dev and start do it by themselves, if their role may)",
    )
    .option('--status', 'change nothing; list what is missing, and end with 1 if there is any')
    .addHelpText('after', examples('npx tappet migrate', 'npx tappet migrate --status'))
    .action(
      verb(async (cli, { status }: { readonly status?: boolean }) => {
        const url = await databaseUrl(cli)
        return status ? showPending(cli, url) : apply(cli, url)
      }),
    )
}

/** @throws CliError TPT_CONFIG_INVALID when neither the environment nor a running server names a database. */
export async function databaseUrl(cli: Cli): Promise<string> {
  const url = cli.config().databaseUrl ?? (await findRunning(cli))?.databaseUrl
  if (url !== undefined) return url
  const hint = 'Set DATABASE_URL, or start the embedded Postgres with `npm run dev`.'
  throw new CliError('TPT_UNAVAILABLE', `there is no DATABASE_URL, and no Tappet is running in ${cli.root}`, {
    hint,
  })
}

async function apply(cli: Cli, url: string): Promise<void> {
  const { withConnection } = await import('../../store/postgres/console.ts')
  const { migrate } = await import('../../store/migrate.ts')
  const { migratePostgresQueue } = await import('../../queue/bullmq-postgres-migrations.ts')
  const applied = await withConnection(url, async (client) => {
    const names: string[] = []
    for (const set of SETS)
      names.push(...(await migrate(client, set)).applied.map((name) => `${set}/${name}`))
    if (onPostgres(cli) && (await migratePostgresQueue(client))) names.push('queue')
    return names
  })
  cli.show({ applied }, () => applied.map((name) => `applied ${name}`).join('\n') || 'up to date')
}

async function showPending(cli: Cli, url: string): Promise<number> {
  const { withConnection } = await import('../../store/postgres/console.ts')
  const { pendingMigrations } = await import('../../store/migrate.ts')
  const { isPostgresQueuePending } = await import('../../queue/bullmq-postgres-migrations.ts')
  const pending = await withConnection(url, async (client) => {
    const names: string[] = []
    for (const set of SETS)
      names.push(...(await pendingMigrations(client, set)).map((name) => `${set}/${name}`))
    if (onPostgres(cli) && (await isPostgresQueuePending(client))) names.push('queue')
    return names
  })
  cli.show({ pending }, () => pending.map((name) => `missing ${name}`).join('\n') || 'up to date')
  return pending.length > 0 ? EXIT.failed : EXIT.ok
}

/** Whether the queue is in the ledger's database. */
function onPostgres(cli: Cli): boolean {
  return cli.config().redisUrl === null
}
