import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { wholeNumber } from '../input.ts'
import { formatAge, formatTable, printable } from '../text.ts'
import { examples, type Verb } from '../verb.ts'

interface SentEntry {
  readonly at: string
  readonly keyName: string
  readonly action: string
  readonly target: string
  readonly status: number
  readonly address: string
}

interface AuditPage {
  readonly entries: readonly SentEntry[]
  readonly next: string | null
}

interface Options {
  readonly limit: number
  readonly before?: string
}

export function addAudit(program: Command, verb: Verb): void {
  program
    .command('audit')
    .description('who changed what through the API, and what keys were refused')
    .option('-n, --limit <number>', 'most entries', wholeNumber(500), 50)
    .option('--before <entry>', 'only those older than this one: the page after')
    .addHelpText('after', examples('npx tappet audit', 'npx tappet audit -n 500 --json'))
    .action(verb((cli, options: Options) => audit(cli, options)))
}

async function audit(cli: Cli, { limit, before }: Options): Promise<void> {
  const page = await (await cli.server()).get<AuditPage>('/audit', { limit, before })
  cli.show(page, () => (page.entries.length === 0 ? 'no changes' : auditTable(page.entries, cli)))
  if (page.next !== null) cli.note(cli.paint.dim(`older ones: npx tappet audit --before ${page.next}`))
}

function auditTable(entries: readonly SentEntry[], { paint, columns }: Cli, now = new Date()): string {
  const rows = entries.map(({ at, keyName, action, target, status, address }) => [
    formatAge(new Date(at), now),
    printable(keyName),
    status < 400 ? String(status) : paint.red(String(status)),
    action,
    address,
    printable(target),
  ])
  return formatTable(['AGE', 'KEY', 'STATUS', 'ACTION', 'FROM', 'ON'], rows, columns)
}
