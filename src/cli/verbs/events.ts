import type { Command } from 'commander'
import type { RunState } from '../../store/run-state.ts'
import type { Cli } from '../cli.ts'
import { filterText, takesFilter } from '../filter-words.ts'
import { wholeNumber } from '../input.ts'
import { runTable, type SentRun, stateText } from '../run-text.ts'
import { formatAge, formatBytes, formatTable, printable } from '../text.ts'
import { examples, type Verb } from '../verb.ts'

interface SentEvent {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly receivedAt: string
  readonly bytes: number
  readonly runs: readonly { readonly functionId: string; readonly state: RunState }[]
}

interface EventPage {
  readonly events: readonly SentEvent[]
  readonly next: string | null
  readonly partial: boolean
}

interface EventDetails {
  readonly event: { readonly data?: unknown } & Readonly<Record<string, unknown>>
  readonly ledgerId: string
  readonly runs: readonly SentRun[]
}

interface ListOptions {
  readonly limit: number
  readonly before?: string
}

export function addEvents(program: Command, verb: Verb): void {
  const events = program
    .command('events')
    .description('list or show what happened')
    .addHelpText('after', examples('npx tappet events list since:1h', 'npx tappet events show evt_01JD…'))

  takesFilter(events.command('list', { isDefault: true }).description('events, the newest first'))
    .option('-n, --limit <number>', 'most of them', wholeNumber(500), 20)
    .option('--before <event>', 'only those older than this one: the page after')
    .addHelpText(
      'after',
      examples('npx tappet events list type:orders.insert since:1h', 'npx tappet events list --json'),
    )
    .action(verb((cli, words: readonly string[], options: ListOptions) => list(cli, words, options)))

  events
    .command('show')
    .description('all about one event: attributes, payload, runs')
    .argument('<id>', 'id of an event')
    .addHelpText('after', examples('npx tappet events show evt_01JD…'))
    .action(verb((cli, id: string) => show(cli, id)))
}

async function list(cli: Cli, words: readonly string[], { limit, before }: ListOptions): Promise<void> {
  const page = await (await cli.server()).get<EventPage>('/events', { q: filterText(words), limit, before })
  cli.show(page, () => (page.events.length === 0 ? 'no events' : eventTable(page.events, cli)))
  if (page.next !== null) cli.note(cli.paint.dim(`older ones: --before ${page.next}`))
}

function eventTable(events: readonly SentEvent[], { paint, columns }: Cli, now = new Date()): string {
  const rows = events.map(({ id, type, source, bytes, receivedAt, runs }) => [
    id,
    printable(type),
    formatBytes(bytes),
    formatAge(new Date(receivedAt), now),
    runs.map(({ functionId, state }) => `${functionId} ${stateText(state, paint)}`).join(', ') || 'no run',
    printable(source),
  ])
  return formatTable(['EVENT', 'TYPE', 'SIZE', 'AGE', 'RUNS', 'SOURCE'], rows, columns)
}

async function show(cli: Cli, id: string): Promise<void> {
  const found = await (await cli.server()).get<EventDetails>(`/events/${encodeURIComponent(id)}`)
  cli.show(found, () => {
    const { data, ...attributes } = found.event
    const rows = Object.entries(attributes).map(([name, value]) => [name, shown(value)])
    const runs = found.runs.length === 0 ? 'no run' : runTable(found.runs, cli.paint, cli.columns)
    const head = formatTable([cli.paint.bold(found.ledgerId), ''], rows)
    return [head, '', printable(JSON.stringify(data, null, 2) ?? 'no payload'), '', runs].join('\n')
  })
}

function shown(value: unknown): string {
  return printable(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
}
