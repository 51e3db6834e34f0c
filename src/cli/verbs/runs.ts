import { Argument, type Command, Option } from 'commander'
import { RUN_STATES } from '../../store/run-state.ts'
import type { Cli } from '../cli.ts'
import { filterText, takesFilter } from '../filter-words.ts'
import { wholeNumber } from '../input.ts'
import { followRuns } from '../follow-runs.ts'
import { type RunDetails, runDetails, runTable, type SentRun } from '../run-text.ts'
import type { Query } from '../server.ts'
import { examples, type Verb } from '../verb.ts'

export interface RunPage {
  readonly runs: readonly SentRun[]
  readonly next: string | null
}

interface Filter {
  readonly state?: string
  readonly function?: string
}

interface ListOptions extends Filter {
  readonly limit: number
  readonly before?: string
}

export function addRuns(program: Command, verb: Verb): void {
  const runs = program
    .command('runs')
    .description('list, show or follow runs')
    .addHelpText(
      'after',
      examples('npx tappet runs list --state dead', 'npx tappet runs show run_01JD…', 'npx tappet runs tail'),
    )

  takesFilter(filtered(runs.command('list', { isDefault: true }).description('runs, the newest first')))
    .option('-n, --limit <number>', 'most of them', wholeNumber(500), 20)
    .option('--before <run>', 'only those older than this one: the page after')
    .addHelpText(
      'after',
      examples(
        'npx tappet runs list status:failed since:24h',
        'npx tappet runs list --state dead --function orders/place',
      ),
    )
    .action(verb((cli, words: readonly string[], options: ListOptions) => list(cli, words, options)))

  runs
    .command('show')
    .description('all about one run: event, attempts, error, result, log')
    .addArgument(new Argument('<id>', 'id of a run'))
    .addHelpText('after', examples('npx tappet runs show run_01JD…', 'npx tappet runs show run_01JD… --json'))
    .action(verb((cli, id: string) => show(cli, id)))

  filtered(runs.command('tail').description('follow runs as they change, until Ctrl-C'))
    .addHelpText(
      'after',
      examples('npx tappet runs tail', 'npx tappet runs tail --function orders/place --json'),
    )
    .action(verb(async (cli, filter: Filter) => followRuns(cli, await cli.server(), query(filter))))
}

export async function show(cli: Cli, id: string): Promise<void> {
  const details = await (await cli.server()).get<RunDetails>(`/runs/${encodeURIComponent(id)}`)
  cli.show(details, () => runDetails(details, cli.paint, cli.columns))
}

function filtered(command: Command): Command {
  return command
    .addOption(new Option('--state <state>', 'only those in this state').choices(RUN_STATES))
    .option('--function <id>', 'only those of this function')
}

async function list(
  cli: Cli,
  words: readonly string[],
  { limit, before, ...filter }: ListOptions,
): Promise<void> {
  const asked = { ...query(filter), q: filterText(words), limit, before }
  const page = await (await cli.server()).get<RunPage>('/runs', asked)
  cli.show(page, () => (page.runs.length === 0 ? 'no runs' : runTable(page.runs, cli.paint, cli.columns)))
  if (page.next !== null) cli.note(cli.paint.dim(`older ones: --before ${page.next}`))
}

function query({ state, function: functionId }: Filter): Query {
  return { state, function: functionId }
}
