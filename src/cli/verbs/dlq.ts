import type { Command } from 'commander'
import type { DeadGroup } from '../../api/dead-letters.ts'
import type { Cli } from '../cli.ts'
import { EXIT, usageError } from '../errors.ts'
import { wholeNumber } from '../input.ts'
import { runTable } from '../run-text.ts'
import type { Server } from '../server.ts'
import { firstLine, formatAge, formatTable, printable } from '../text.ts'
import { examples, type Verb } from '../verb.ts'
import { replayAll } from './replay.ts'
import { type RunPage, show } from './runs.ts'

interface ListOptions {
  readonly function?: string
  readonly limit: number
  readonly before?: string
  readonly group?: boolean
}

interface ReplayOptions {
  readonly function?: string
  readonly limit?: number
  readonly dryRun?: boolean
}

interface SentGroup extends Omit<DeadGroup, 'lastAt'> {
  readonly lastAt: string | null
}

const USUAL_LIMIT = 500

export function addDlq(program: Command, verb: Verb): void {
  const dlq = program
    .command('dlq')
    .description('list, show or replay dead letters: runs that used up their attempts')
    .addHelpText(
      'after',
      examples('npx tappet dlq list --group', 'npx tappet dlq replay --function mail/send-receipt'),
    )

  dlq
    .command('list', { isDefault: true })
    .description('dead letters, the newest first')
    .option('--function <id>', 'only those of this function')
    .option('-n, --limit <number>', 'most of them', wholeNumber(500), 20)
    .option('--before <run>', 'only those older than this one')
    .option('--group', 'count those that failed in the same way')
    .addHelpText('after', examples('npx tappet dlq list', 'npx tappet dlq list --group --json'))
    .action(
      verb((cli, options: ListOptions) => (options.group ? listGroups(cli, options) : list(cli, options))),
    )

  dlq
    .command('show')
    .description('all about one dead letter')
    .argument('<id>', 'id of its run')
    .addHelpText('after', examples('npx tappet dlq show run_01JD…'))
    .action(verb((cli, id: string) => show(cli, id)))

  dlq
    .command('replay')
    .description('run dead letters again: those named, or the newest of a function or of all')
    .argument('[id...]', 'ids of runs')
    .option('--function <id>', 'those of this function')
    .option('-n, --limit <number>', `most of them (default: ${USUAL_LIMIT})`, wholeNumber(5_000))
    .option('--dry-run', 'tell how many there are; replay none')
    .addHelpText(
      'after',
      examples(
        'npx tappet dlq replay run_01JD…',
        'npx tappet dlq replay --function orders/place --dry-run',
        'npx tappet dlq replay -n 100 --yes',
      ),
    )
    .action(verb((cli, ids: readonly string[], options: ReplayOptions) => replay(cli, ids, options)))
}

async function list(cli: Cli, { function: functionId, limit, before }: ListOptions): Promise<void> {
  const page = await (await cli.server()).get<RunPage>('/dead', { function: functionId, limit, before })
  cli.show(page, () =>
    page.runs.length === 0 ? 'no dead letters' : runTable(page.runs, cli.paint, cli.columns),
  )
  if (page.next !== null) cli.note(cli.paint.dim(`older ones: npx tappet dlq list --before ${page.next}`))
}

async function listGroups(cli: Cli, { function: functionId, before }: ListOptions): Promise<void> {
  const found = await (
    await cli.server()
  ).get<Groups>('/dead', { function: functionId, before, grouped: true })
  cli.show(found, () =>
    found.groups.length === 0 ? 'no dead letters' : groupTable(found.groups, cli.columns),
  )
  if (!found.complete) cli.note(cli.paint.dim('only the newest 5000 are counted'))
}

interface Groups {
  readonly groups: readonly SentGroup[]
  readonly complete: boolean
}

function groupTable(groups: readonly SentGroup[], width: number, now = new Date()): string {
  const rows = groups.map(({ functionId, count, lastAt, sample, error }) => {
    const age = lastAt === null ? '' : formatAge(new Date(lastAt), now)
    return [functionId, String(count), age, sample, firstLine(error, 100)]
  })
  return formatTable(['FUNCTION', 'COUNT', 'LAST', 'SAMPLE', 'ERROR'], rows, width)
}

async function replay(cli: Cli, ids: readonly string[], options: ReplayOptions): Promise<number> {
  checkSelection(cli, ids, options)
  if (ids.length > 0) return replayAll(cli, ids)
  const { function: functionId, limit = USUAL_LIMIT, dryRun } = options
  const server = await cli.server()
  const { groups } = await server.get<Groups>('/dead', { function: functionId, grouped: true })
  const all = groups.reduce((sum, { count }) => sum + count, 0)
  const count = Math.min(all, limit)
  if (dryRun || count === 0) {
    cli.show({ wouldReplay: count, groups }, () =>
      count === 0 ? 'no dead letters' : groupTable(groups, cli.columns),
    )
    cli.note(`${count} of ${all} would be replayed`)
    return EXIT.ok
  }
  cli.note(groupTable(groups, cli.columns))
  await cli.confirm(`Replay ${count} dead letters?`)
  return replaySelected(cli, server, { limit, ...(functionId !== undefined && { function: functionId }) })
}

function checkSelection(
  { flags }: Cli,
  ids: readonly string[],
  { function: functionId, limit, dryRun }: ReplayOptions,
): void {
  const filtered = functionId !== undefined || limit !== undefined
  if (ids.length > 0 && (filtered || dryRun)) {
    throw usageError(
      'ids and a filter cannot be given together',
      'Give the ids alone, or --function and --limit.',
    )
  }
  if (ids.length === 0 && flags.yes && !filtered) {
    throw usageError(
      '--yes needs --function or --limit here',
      'Say which dead letters: --function <id> or --limit <number>.',
    )
  }
}

async function replaySelected(cli: Cli, server: Server, filter: object): Promise<number> {
  const done = await server.post<Replayed>('/dead/replay', filter, { timeoutMs: 120_000 })
  cli.show(done, () => `replayed ${done.replayed.length}`)
  for (const { run, message } of done.failed) cli.note(`${cli.paint.red('✖')} ${run} ${printable(message)}`)
  if (done.failed.length === 0) return EXIT.ok
  return done.replayed.length > 0 ? EXIT.partial : EXIT.failed
}

interface Replayed {
  readonly replayed: readonly string[]
  readonly failed: readonly { readonly run: string; readonly message: string }[]
}
