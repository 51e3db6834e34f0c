import type { Command } from 'commander'
import { followBulk, progressText, type SentBulk } from '../bulk.ts'
import type { Cli } from '../cli.ts'
import { wholeNumber } from '../input.ts'
import { printable } from '../text.ts'
import { examples, type Verb } from '../verb.ts'

interface Answer {
  readonly bulk: SentBulk
}

export function addBulk(program: Command, verb: Verb): void {
  const bulk = program
    .command('bulk')
    .description('replays and cancellations by a filter, and how far they are')
    .addHelpText('after', examples('npx tappet bulk list', 'npx tappet bulk show bulk_01JD…'))

  bulk
    .command('list', { isDefault: true })
    .description('bulk actions, the newest first')
    .option('-n, --limit <number>', 'most of them', wholeNumber(500), 20)
    .addHelpText('after', examples('npx tappet bulk list'))
    .action(verb((cli, { limit }: { readonly limit: number }) => list(cli, limit)))

  bulk
    .command('show')
    .description('follow one until it is over')
    .argument('<id>', 'id of a bulk action')
    .addHelpText('after', examples('npx tappet bulk show bulk_01JD…'))
    .action(
      verb(async (cli, id: string) => {
        const server = await cli.server()
        const found = await server.get<Answer>(`/bulk/${encodeURIComponent(id)}`)
        return followBulk(cli, server, found.bulk)
      }),
    )

  bulk
    .command('stop')
    .description('begin no further step of one; what is done stays done')
    .argument('<id>', 'id of a bulk action')
    .addHelpText('after', examples('npx tappet bulk stop bulk_01JD…'))
    .action(
      verb(async (cli, id: string) => {
        const server = await cli.server()
        const stopped = await server.post<Answer>(`/bulk/${encodeURIComponent(id)}/stop`)
        cli.show(stopped, () => progressText(stopped.bulk))
      }),
    )
}

async function list(cli: Cli, limit: number): Promise<void> {
  const server = await cli.server()
  const found = await server.get<{ readonly bulks: readonly SentBulk[] }>('/bulk', { limit })
  const text = (bulk: SentBulk): string =>
    `${progressText(bulk)}  ${bulk.action}  ${printable(bulk.filter)}  ${cli.paint.dim(`by ${printable(bulk.createdBy)}`)}`
  cli.show(found, () => found.bulks.map(text).join('\n') || 'no bulk actions')
}
