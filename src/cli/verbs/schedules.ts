import { type Command, InvalidArgumentError } from 'commander'
import { formatMs } from '../../lib/duration.ts'
import type { Cli } from '../cli.ts'
import { CliError } from '../errors.ts'
import { wholeNumber } from '../input.ts'
import { formatInstant, formatTable } from '../text.ts'
import { examples, type Verb } from '../verb.ts'

interface SentSchedule {
  readonly id: string
  readonly functionId: string
  readonly expression: string
  readonly timezone: string
  readonly previousAt: string | null
  readonly skipped: number
  /** Ticks that nobody decided in time, of the last 30 days, found last first. */
  readonly missed: readonly Missed[]
  /** The next ticks, in order. */
  readonly next: readonly string[]
}

interface Missed {
  readonly first: string
  readonly last: string
  readonly count: number
  /** How many of them became events all the same. */
  readonly made: number
}

interface BackfillOptions {
  readonly from: string
  readonly until: string
  readonly dryRun?: boolean
}

interface Backfilled {
  readonly ticks: readonly string[]
  readonly runs: readonly string[]
  /** Ticks that had been made before. */
  readonly known: number
}

export function addSchedules(program: Command, verb: Verb): void {
  const schedules = program
    .command('schedules')
    .description('when cron functions run next')
    .addHelpText(
      'after',
      examples('npx tappet schedules next', 'npx tappet schedules next reports/nightly -n 10'),
    )
  schedules
    .command('next', { isDefault: true })
    .description('the next ticks of each schedule')
    .argument('[function]', 'only those of this function')
    .option('-n, --count <number>', 'how many of each', wholeNumber(100), 5)
    .addHelpText(
      'after',
      examples('npx tappet schedules next reports/nightly -n 10', 'npx tappet schedules next --json'),
    )
    .action(
      verb((cli, functionId: string | undefined, { count }: { readonly count: number }) =>
        next(cli, functionId, count),
      ),
    )

  schedules
    .command('run')
    .description('run the function of a schedule now, beside its ticks')
    .argument('<schedule>', 'id of a schedule, like reports/nightly#0; #0 may be left out')
    .addHelpText('after', examples('npx tappet schedules run reports/nightly'))
    .action(
      verb(async (cli, given: string) => {
        const server = await cli.server()
        const made = await server.post<{ readonly run?: string; readonly event: string }>('/schedules/run', {
          schedule: scheduleId(given),
        })
        cli.show(made, () => made.run ?? made.event)
      }),
    )

  schedules
    .command('backfill')
    .description('make up for the ticks of a stretch of time; those that were made are not made again')
    .argument('<schedule>', 'id of a schedule, like reports/nightly#0; #0 may be left out')
    .requiredOption('--from <time>', 'RFC 3339, like 2026-11-01T00:00:00Z', time)
    .requiredOption('--until <time>', 'RFC 3339, in the past', time)
    .option('--dry-run', 'tell which ticks there were; make none')
    .addHelpText(
      'after',
      examples(
        'npx tappet schedules backfill reports/nightly --from 2026-11-01T00:00:00Z --until 2026-11-03T00:00:00Z',
      ),
    )
    .action(verb((cli, given: string, options: BackfillOptions) => backfill(cli, scheduleId(given), options)))
}

function scheduleId(given: string): string {
  return /#\d+$/.test(given) ? given : `${given}#0`
}

function time(given: string): string {
  const at = new Date(given)
  if (!/^\d{4}-\d\d-\d\d/.test(given) || Number.isNaN(at.getTime()))
    throw new InvalidArgumentError('It must be a time like 2026-11-01T00:00:00Z.')
  return at.toISOString()
}

async function backfill(cli: Cli, schedule: string, options: BackfillOptions): Promise<void> {
  const { from, until, dryRun = false } = options
  const server = await cli.server()
  const ask = (dry: boolean): Promise<Backfilled> =>
    server.post('/schedules/backfill', { schedule, from, until, dryRun: dry }, { timeoutMs: 120_000 })
  const found = await ask(true)
  if (dryRun || found.ticks.length === 0) {
    return cli.show(found, () => found.ticks.join('\n') || 'no ticks')
  }
  await cli.confirm(`Make ${found.ticks.length} ticks of ${schedule}, as far as they were not made?`)
  const made = await ask(false)
  cli.show(made, () => `made ${made.ticks.length - made.known}, ${made.known} were there`)
}

async function next(cli: Cli, functionId: string | undefined, count: number): Promise<void> {
  const server = await cli.server()
  const query = { function: functionId, next: count }
  const found = await server.get<{ readonly schedules: readonly SentSchedule[] }>('/schedules', query)
  if (functionId !== undefined && found.schedules.length === 0) {
    throw new CliError('TPT_NOT_FOUND', `${functionId} has no schedule`, {
      hint: 'List them with `tappet schedules next`.',
    })
  }
  cli.show(
    found,
    () => found.schedules.map((schedule) => scheduleText(schedule, cli)).join('\n\n') || 'no schedules',
  )
}

function scheduleText(
  { functionId, expression, timezone, missed, next: ticks }: SentSchedule,
  { paint }: Cli,
  now = new Date(),
): string {
  const head = `${paint.bold(functionId)}  ${expression}  ${timezone}`
  const seconds = ticks.some((tick) => new Date(tick).getUTCSeconds() !== 0)
  const rows = ticks.map((tick) => {
    const instant = new Date(tick)
    const inMs = Math.max(0, instant.getTime() - now.getTime())
    return [`  ${formatInstant(instant, timezone, now, seconds)}`, `in ${formatMs(inMs)}`, paint.dim(tick)]
  })
  const [first = [], ...rest] = rows
  const left = missed.map((stretch) => `\n  ${paint.yellow(missedText(stretch))}`).join('')
  return rows.length === 0 ? `${head}\n  never again${left}` : `${head}\n${formatTable(first, rest)}${left}`
}

function missedText({ first, last, count, made }: Missed): string {
  const when = first === last ? first : `${first} to ${last}`
  return `missed ${count} at ${when}, ${made} of them made up for`
}
