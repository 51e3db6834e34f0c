import { type Command, Option } from 'commander'
import { formatMs } from '../../lib/duration.ts'
import type { Cli } from '../cli.ts'
import { EXIT } from '../errors.ts'
import { formatAge, formatTable, printable } from '../text.ts'
import { examples, type Verb } from '../verb.ts'

interface SentMessage {
  readonly destination: string
  readonly type: string
  readonly alert: { readonly kind: string; readonly subject: string; readonly message: string }
  readonly state: 'told' | 'waiting' | 'given up'
  readonly attempts: number
  readonly error: string | null
  readonly createdAt: string
  readonly at: string
}

interface SentAlerts {
  readonly destinations: readonly { readonly name: string; readonly to: string }[]
  readonly watching: object | null
  readonly firing: readonly {
    readonly kind: string
    readonly message: string
    readonly since: string
    readonly told: readonly SentMessage[]
  }[]
  readonly recent: readonly SentMessage[]
}

interface SentResult {
  readonly destination: string
  readonly error: string | null
  readonly tookMs: number
}

export function addAlerts(program: Command, verb: Verb): void {
  const alerts = program
    .command('alerts')
    .description('what is wrong, since when, and who was told')
    .addHelpText('after', examples('npx tappet alerts', 'npx tappet alerts test --to slack'))

  alerts
    .command('list', { isDefault: true })
    .description('alerts that are firing, and whom they go to')
    .addHelpText('after', examples('npx tappet alerts list', 'npx tappet alerts list --json'))
    .action(verb((cli) => list(cli)))

  alerts
    .command('test')
    .description('send a test notice now, and tell whether it was taken')
    .addOption(
      new Option('--to <destination>', 'to this one only (default: to all)').choices([
        'webhook',
        'slack',
        'mail',
      ]),
    )
    .addHelpText('after', examples('npx tappet alerts test', 'npx tappet alerts test --to mail'))
    .action(verb((cli, { to }: { readonly to?: string }) => test(cli, to)))
}

async function list(cli: Cli): Promise<void> {
  const found = await (await cli.server()).get<SentAlerts>('/alerts')
  cli.show(found, () => text(found, cli))
  if (found.watching === null)
    cli.note(
      cli.paint.yellow(
        'nobody is told, and nothing is looked at: set TAPPET_ALERT_WEBHOOK_URL, …_SLACK_URL or …_SMTP_URL',
      ),
    )
}

function text({ destinations, firing }: SentAlerts, { paint, columns }: Cli, now = new Date()): string {
  const rows = firing.map(({ kind, message, since, told }) => [
    ...[paint.red('✖ firing'), formatAge(new Date(since), now), kind],
    told.map(toldText).join(', ') || 'nobody',
    printable(message),
  ])
  const titles = ['STATE', 'SINCE', 'KIND', 'TOLD', 'MESSAGE']
  const table = rows.length === 0 ? 'no alert is firing' : formatTable(titles, rows, columns)
  const told = destinations.map(({ name, to }) => `${name} (${printable(to)})`).join(', ')
  return told === '' ? table : `${table}\n${paint.dim(`told: ${told}`)}`
}

function toldText({ destination, state, attempts }: SentMessage): string {
  if (state === 'told') return `✔ ${destination}`
  return state === 'waiting' ? `↻ ${destination} (tried ${attempts}×)` : `✖ ${destination}`
}

/** As with other commands for several: 10 when some were told and some were not. */
async function test(cli: Cli, to: string | undefined): Promise<number> {
  const server = await cli.server()
  const { results } = await server.post<{ readonly results: readonly SentResult[] }>(
    '/alerts/test',
    to === undefined ? {} : { destination: to },
  )
  const { paint } = cli
  const line = ({ destination, error, tookMs }: SentResult): string =>
    error === null
      ? `${paint.green('✔')} ${destination} took it within ${formatMs(tookMs)}`
      : `${paint.red('✖')} ${destination}: ${printable(error)}`
  cli.show({ results }, () => results.map(line).join('\n'))
  const failed = results.filter(({ error }) => error !== null).length
  if (failed === 0) return EXIT.ok
  return failed < results.length ? EXIT.partial : EXIT.failed
}
