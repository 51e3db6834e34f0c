import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import type { LogLine } from '../../runtime/runtime.ts'
import type { Cli } from '../cli.ts'
import { filterText, takesFilter } from '../filter-words.ts'
import { wholeNumber } from '../input.ts'
import { logText } from '../run-text.ts'
import type { Server } from '../server.ts'
import { examples, type Verb } from '../verb.ts'

type SentLine = LogLine & { readonly seq: string }

interface LogPage {
  readonly lines: readonly SentLine[]
  readonly next: string | null
}

interface Options {
  readonly follow?: boolean
  readonly limit: number
}

const EVERY_MS = 500
const PAGE = 1_000

export function addLogs(program: Command, verb: Verb): void {
  takesFilter(program.command('logs').description('what functions logged, of all runs or those of a filter'))
    .option('-f, --follow', 'go on as lines come, until Ctrl-C')
    .option('-n, --limit <number>', 'the last so many', wholeNumber(PAGE), 50)
    .addHelpText(
      'after',
      examples(
        'npx tappet logs function:mail/send since:1h',
        "npx tappet logs -f 'level>=warn'",
        'npx tappet logs -f --json',
      ),
    )
    .action(verb((cli, words: readonly string[], options: Options) => logs(cli, words, options)))
}

async function logs(cli: Cli, words: readonly string[], { follow, limit }: Options): Promise<void> {
  const server = await cli.server()
  const q = filterText(words)
  const page = await server.get<LogPage>('/logs', { q, limit })
  const last = page.lines.toReversed()
  if (!follow) return cli.show(last, () => last.map((line) => text(line, cli)).join('\n') || 'no log lines')
  for (const line of last) cli.line(line, () => text(line, cli))
  // A filter whose lines are all to come: from the newest line of all.
  const from = last.at(-1)?.seq ?? (await server.get<LogPage>('/logs', { limit: 1 })).lines[0]?.seq ?? '0'
  return followFrom(cli, server, q, from)
}

async function followFrom(cli: Cli, server: Server, q: string | undefined, from: string): Promise<never> {
  for (let after = from; ;) {
    const page = await server.get<LogPage>('/logs', { q, after, limit: PAGE })
    for (const line of page.lines) cli.line(line, () => text(line, cli))
    after = page.next ?? after
    if (page.lines.length < PAGE) await sleep(EVERY_MS)
  }
}

function text(line: SentLine, { paint }: Cli): string {
  return `${paint.dim(line.runId)} ${logText(line, paint)}`
}
