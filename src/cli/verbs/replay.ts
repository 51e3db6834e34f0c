import type { Command } from 'commander'
import { bulkLimit, type BulkOptions, bulkRate, checkSelection, runBulk } from '../bulk.ts'
import type { Cli } from '../cli.ts'
import { forEachId } from '../each.ts'
import { usageError } from '../errors.ts'
import { readData } from '../input.ts'
import { examples, type Verb } from '../verb.ts'

interface Replayed {
  readonly run: string
  readonly event: string
  readonly duplicate: boolean
}

export function addReplay(program: Command, verb: Verb): void {
  program
    .command('replay')
    .description('run again: dead and cancelled runs as they are, any run with edited data')
    .argument('[id...]', 'ids of runs')
    .option('--edit <json>', 'data in place of the old, for a new run: JSON, @file, or - for stdin')
    .option('--filter <filter>', 'all dead and cancelled runs that it selects')
    .option('--rate <number>', 'with --filter: runs a second', bulkRate, 20)
    .option('-n, --limit <number>', 'with --filter: most of them, the oldest', bulkLimit)
    .option('--reason <text>', 'with --filter: why, for those who look later')
    .option('--dry-run', 'with --filter: tell how many there are, and the newest; replay none')
    .option('--detach', 'with --filter: do not wait for its end')
    .addHelpText(
      'after',
      examples(
        'npx tappet replay run_01JD… run_01JE…',
        `npx tappet replay run_01JD… --edit '{"to":"a@b.co"}'`,
        "npx tappet replay --filter 'function:mail/send status:dead since:2h' --dry-run",
      ),
    )
    .action(
      verb(async (cli, ids: readonly string[], options: BulkOptions & { readonly edit?: string }) => {
        const { edit, filter } = options
        checkSelection(ids, options)
        if (filter !== undefined) {
          if (edit !== undefined) throw usageError('--edit is for one run, not for a filter', 'Leave it out.')
          return runBulk(cli, 'replay', options)
        }
        const body = edit === undefined ? {} : { data: await readData(edit, cli, '--edit') }
        return replayAll(cli, ids, body)
      }),
    )
}

export async function replayAll(
  cli: Cli,
  ids: readonly string[],
  body: { readonly data?: unknown } = {},
): Promise<number> {
  const server = await cli.server()
  const replay = (id: string): Promise<Replayed> =>
    server.post(`/runs/${encodeURIComponent(id)}/replay`, body)
  return forEachId(cli, ids, replay, ({ run, duplicate }) =>
    duplicate ? `not again: its idempotency key is that of ${run}` : `replayed ${run}`,
  )
}
