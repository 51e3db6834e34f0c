import type { Command } from 'commander'
import { readData, duration } from '../input.ts'
import { examples, type Verb } from '../verb.ts'

interface Options {
  readonly data?: string
  readonly key?: string
  readonly delay?: string
}

interface Receipt {
  readonly id: string
  readonly event: string
  readonly runs: readonly string[]
  readonly duplicate: boolean
}

export function addSend(program: Command, verb: Verb): void {
  program
    .command('send')
    .description('put a message on a queue')
    .argument('<queue>', 'its name')
    .option('-d, --data <json>', 'the message: JSON, @file, or - for stdin (default: null)')
    .option('--key <key>', 'names the message: sent again with the same key, it is a duplicate')
    .option('--delay <duration>', "start its runs this much later, like '10s'", duration)
    .addHelpText(
      'after',
      examples(
        `npx tappet send emails -d '{"to":"a@b.co"}'`,
        'npx tappet send emails -d @message.json --key welcome-42 --delay 10m',
        'jq -c .order order.json | npx tappet send orders -d -',
      ),
    )
    .action(
      verb(async (cli, queue: string, { data, key, delay }: Options) => {
        const message = data === undefined ? null : await readData(data, cli)
        const server = await cli.server()
        const path = `/_tappet/queues/${encodeURIComponent(queue)}`
        const receipt = await server.post<Receipt>(path, message, { query: { key, delay } })
        const { id, runs, duplicate } = receipt
        cli.show(
          receipt,
          () => `${duplicate ? 'already there' : 'accepted'} ${id} → ${runs.join(' ') || 'no run'}`,
        )
        if (runs.length === 0)
          cli.note('No function listens to this queue: the message is kept without runs.')
      }),
    )
}
