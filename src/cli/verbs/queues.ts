import type { Command } from 'commander'
import { formatMs } from '../../lib/duration.ts'
import type { Cli } from '../cli.ts'
import { forEachId } from '../each.ts'
import { formatTable } from '../text.ts'
import { examples, type Verb } from '../verb.ts'

interface SentQueue {
  readonly functionId: string
  readonly waiting: number
  readonly running: number
  readonly later: number
  readonly oldestMs: number | null
  readonly paused: boolean
}

interface Paused {
  readonly paused: { readonly functionId: string; readonly pausedBy: string }
}

interface Resumed {
  readonly functionId: string
  readonly started: number
}

export function addQueues(program: Command, verb: Verb): void {
  const queues = program
    .command('queues')
    .description('what waits of each function; pause and resume')
    .addHelpText('after', examples('npx tappet queues list', 'npx tappet queues pause mail/send'))

  queues
    .command('list', { isDefault: true })
    .description('runs of each function that wait, run, or come later')
    .addHelpText('after', examples('npx tappet queues list', 'npx tappet queues list --json'))
    .action(verb((cli) => list(cli)))

  queues
    .command('pause')
    .description('start no more runs of functions; events are still taken in')
    .argument('<function...>', 'ids of functions')
    .addHelpText('after', examples('npx tappet queues pause mail/send'))
    .action(
      verb(async (cli, ids: readonly string[]) => {
        const server = await cli.server()
        const pause = (id: string): Promise<Paused> =>
          server.post(`/functions/${encodeURIComponent(id)}/pause`)
        return forEachId(cli, ids, pause, ({ paused }) => `paused ${paused.functionId}`)
      }),
    )

  queues
    .command('resume')
    .description('start runs of paused functions again')
    .argument('<function...>', 'ids of functions')
    .addHelpText('after', examples('npx tappet queues resume mail/send'))
    .action(
      verb(async (cli, ids: readonly string[]) => {
        const server = await cli.server()
        const resume = (id: string): Promise<Resumed> =>
          server.post(`/functions/${encodeURIComponent(id)}/resume`)
        const told = ({ functionId, started }: Resumed): string =>
          `resumed ${functionId}, ${started} runs go on`
        return forEachId(cli, ids, resume, told)
      }),
    )
}

async function list(cli: Cli): Promise<void> {
  const found = await (await cli.server()).get<{ readonly queues: readonly SentQueue[] }>('/queues')
  cli.show(found, () => (found.queues.length === 0 ? 'no queues' : queueTable(found.queues, cli)))
}

function queueTable(queues: readonly SentQueue[], { paint, columns }: Cli): string {
  const rows = queues.map(({ functionId, waiting, running, later, oldestMs, paused }) => [
    functionId,
    String(waiting),
    String(running),
    String(later),
    oldestMs === null ? '' : formatMs(oldestMs),
    paused ? paint.yellow('paused') : '',
  ])
  return formatTable(['FUNCTION', 'WAITING', 'RUNNING', 'LATER', 'OLDEST', ''], rows, columns)
}
