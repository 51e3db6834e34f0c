import { type Command, Option } from 'commander'
import type { Cli } from '../cli.ts'
import { findRunning } from '../server.ts'
import { formatAge, formatTable, shellQuote } from '../text.ts'
import { examples, type Verb } from '../verb.ts'

interface SentStatus {
  readonly version: string
  readonly engine: string
  readonly uptimeMs: number
  readonly postgres: { readonly ms: number; readonly clockOffsetMs: number }
  readonly queueMs: number
  readonly functions: number
  readonly problems: number
  readonly stats: readonly { readonly functionId: string; readonly state: string; readonly count: number }[]
}

interface Options {
  readonly output: 'text' | 'env'
}

export function addStatus(program: Command, verb: Verb): void {
  program
    .command('status')
    .description('what runs here, how it is reached, and how much it has done')
    .addOption(
      new Option('-o, --output <form>', 'env: addresses as lines for a shell')
        .choices(['text', 'env'])
        .default('text'),
    )
    .addHelpText(
      'after',
      examples('npx tappet status', 'npx tappet status --json', 'eval "$(npx tappet status -o env)"'),
    )
    .action(verb((cli, { output }: Options) => (output === 'env' ? environment(cli) : status(cli))))
}

async function status(cli: Cli): Promise<void> {
  const server = await cli.server()
  const found = await server.get<SentStatus>('/status')
  const now = new Date()
  const runs = new Map<string, number>()
  for (const { state, count } of found.stats) runs.set(state, (runs.get(state) ?? 0) + count)
  const rows = [
    ['version', found.version],
    ['up', formatAge(new Date(now.getTime() - found.uptimeMs), now)],
    ['dashboard', `${server.url}/_tappet/`],
    [
      'postgres',
      `${found.postgres.ms.toFixed(1)} ms, clock off by ${Math.round(found.postgres.clockOffsetMs)} ms`,
    ],
    ['queue', `${found.engine}, ${found.queueMs.toFixed(1)} ms`],
    ['functions', String(found.functions)],
    ['problems', found.problems === 0 ? '0' : `${cli.paint.red(String(found.problems))}: npx tappet doctor`],
    ...[...runs].map(([state, count]) => [state, String(count)]),
  ]
  cli.show({ url: server.url, ...found }, () => formatTable(rows[0] ?? [], rows.slice(1)))
}

/** No keys: what is printed here ends up in logs. */
async function environment(cli: Cli): Promise<void> {
  const { url } = await cli.server()
  const running = await findRunning(cli)
  const values = { TAPPET_URL: url, ...(running && { TAPPET_PID: String(running.pid) }) }
  cli.show(values, () =>
    Object.entries(values)
      .map(([name, value]) => `export ${name}=${shellQuote(value)}`)
      .join('\n'),
  )
}
