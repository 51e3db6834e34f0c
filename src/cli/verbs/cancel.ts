import type { Command } from 'commander'
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
    .argument('<id...>', 'ids of runs')
    .addHelpText('after', examples('npx tappet cancel run_01JD…'))
    .action(
      verb(async (cli, ids: readonly string[]) => {
        const server = await cli.server()
        const cancel = (id: string): Promise<Cancelled> =>
          server.post(`/runs/${encodeURIComponent(id)}/cancel`)
        return forEachId(cli, ids, cancel, ({ run }) => `cancelled ${run}`)
      }),
    )
}
