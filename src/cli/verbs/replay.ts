import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { forEachId } from '../each.ts'
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
    .argument('<id...>', 'ids of runs')
    .option('--edit <json>', 'data in place of the old, for a new run: JSON, @file, or - for stdin')
    .addHelpText(
      'after',
      examples(
        'npx tappet replay run_01JD… run_01JE…',
        `npx tappet replay run_01JD… --edit '{"to":"a@b.co"}'`,
      ),
    )
    .action(
      verb(async (cli, ids: readonly string[], { edit }: { readonly edit?: string }) => {
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
