import type { Command } from 'commander'
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
  /** The next ticks, in order. */
  readonly next: readonly string[]
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
  { functionId, expression, timezone, next: ticks }: SentSchedule,
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
  return rows.length === 0 ? `${head}\n  never again` : `${head}\n${formatTable(first, rest)}`
}
