import type { Command } from 'commander'
import { bulkLimit, type BulkOptions, bulkRate, checkSelection, runBulk } from '../bulk.ts'
import { forEachId } from '../each.ts'
import { examples, type Verb } from '../verb.ts'

interface Cancelled {
  readonly run: string
  readonly state: 'cancelled'
}

export function addCancel(program: Command, verb: Verb): void {
  program
    .command('cancel')
    .description('end runs that are not over')
    .argument('[id...]', 'ids of runs')
    .option('--filter <filter>', 'all that it selects and that are not over')
    .option('--rate <number>', 'with --filter: runs a second', bulkRate, 20)
    .option('-n, --limit <number>', 'with --filter: most of them, the oldest', bulkLimit)
    .option('--reason <text>', 'with --filter: why, for those who look later')
    .option('--dry-run', 'with --filter: tell how many there are, and the newest; cancel none')
    .option('--detach', 'with --filter: do not wait for its end')
    .addHelpText(
      'after',
      examples('npx tappet cancel run_01JD…', "npx tappet cancel --filter 'function:reports/nightly'"),
    )
    .action(
      verb(async (cli, ids: readonly string[], options: BulkOptions) => {
        checkSelection(ids, options)
        if (options.filter !== undefined) return runBulk(cli, 'cancel', options)
        const server = await cli.server()
        const cancel = (id: string): Promise<Cancelled> =>
          server.post(`/runs/${encodeURIComponent(id)}/cancel`)
        return forEachId(cli, ids, cancel, ({ run }) => `cancelled ${run}`)
      }),
    )
}
