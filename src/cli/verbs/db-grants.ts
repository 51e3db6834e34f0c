import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { usageError } from '../errors.ts'
import { examples, type Verb } from '../verb.ts'

export function addDbGrants(db: Command, verb: Verb): void {
  db.command('grants')
    .description(
      'print SQL for roles that have what they need and no more: an owner, an installer, a run-time role',
    )
    .option('--prefix <name>', 'what the names of the roles begin with', 'tappet')
    .addHelpText(
      'after',
      examples('npx tappet db grants | psql "$ADMIN_URL"', 'npx tappet db grants --prefix shop'),
    )
    .action(verb((cli, { prefix }: { readonly prefix: string }) => grants(cli, prefix)))
}

async function grants(cli: Cli, prefix: string): Promise<void> {
  if (!/^[a-z_][a-z0-9_]{0,39}$/.test(prefix))
    throw usageError(
      `--prefix must be 1 to 40 small letters, digits and _, got ${JSON.stringify(prefix)}`,
      'Choose another.',
    )
  const { grantsSql } = await import('../../store/postgres/grants.ts')
  const sql = grantsSql(prefix)
  cli.show({ sql }, () => sql)
}
