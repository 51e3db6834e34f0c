import type { Command } from 'commander'
import type { Failure } from '../../errors.ts'
import { type Duration, formatMs, toMs } from '../../lib/duration.ts'
import type { Cli } from '../cli.ts'
import { EXIT } from '../errors.ts'
import { duration, readData } from '../input.ts'
import { firstLine, printable } from '../text.ts'
import { examples, type Verb } from '../verb.ts'

interface Options {
  readonly data?: string
  readonly wait?: Duration | true
}

interface Invoked {
  readonly run: string
  readonly event: string
  readonly status: string
  readonly duplicate: boolean
  readonly state: 'accepted' | 'completed' | 'dead' | 'cancelled'
  readonly result?: unknown
  readonly failure?: Failure | null
}

const USUAL_WAIT = '30s'

export function addInvoke(program: Command, verb: Verb): void {
  program
    .command('invoke')
    .description('run a function with an event made for it, as its first trigger would make it')
    .argument('<function>', 'its path under functions/')
    .option('-d, --data <json>', "the event's data: JSON, @file, or - for stdin")
    .option('--wait [duration]', `wait for the result, at most 5m (default: ${USUAL_WAIT})`, duration)
    .addHelpText(
      'after',
      examples(
        'npx tappet invoke reports/nightly',
        `npx tappet invoke orders/place -d '{"id":"…"}' --wait`,
        'npx tappet invoke orders/place -d @order.json --wait 2m --json',
      ),
    )
    .action(
      verb(async (cli, id: string, { data, wait }: Options) => {
        const body = data === undefined ? {} : { data: await readData(data, cli) }
        const waited = wait === true ? USUAL_WAIT : wait
        const server = await cli.server()
        const path = `/functions/${id.split('/').map(encodeURIComponent).join('/')}/invoke`
        const timeoutMs = 30_000 + (waited === undefined ? 0 : toMs(waited))
        const invoked = await server.post<Invoked>(path, { ...body, wait: waited }, { timeoutMs })
        return waited === undefined ? tellAccepted(cli, invoked) : tellEnd(cli, invoked, waited)
      }),
    )
}

function tellAccepted(cli: Cli, invoked: Invoked): number {
  const { run, duplicate } = invoked
  cli.show(invoked, () => `${duplicate ? 'already there' : 'accepted'} ${run}`)
  cli.note(`See how it goes: npx tappet runs show ${run}`)
  return EXIT.ok
}

/** The result on stdout; how it ended on stderr and in the exit code. */
function tellEnd(cli: Cli, invoked: Invoked, waited: Duration): number {
  const { run, state, result, failure } = invoked
  const { red, green } = cli.paint
  if (cli.flags.json || state === 'completed')
    cli.show(invoked, () => JSON.stringify(result ?? null, null, 2))
  if (state === 'completed') {
    cli.note(`${green('✔')} ${run} completed`)
    return EXIT.ok
  }
  if (state === 'accepted') {
    cli.note(
      `${red('✖')} ${run} is not over after ${formatMs(toMs(waited))}; it goes on: npx tappet runs show ${run}`,
    )
    return EXIT.waitTimeout
  }
  const what = failure ? `${failure.code ?? failure.name} ${firstLine(failure.message, 500)}` : state
  cli.note(`${red('✖')} ${run} ${state}: ${printable(what)}\n  see: npx tappet runs show ${run}`)
  return EXIT.runFailed
}
