import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import type { Connection, SqlResult } from '../../store/postgres/console.ts'
import type { DbDiff, TriggerChange } from '../../triggers/postgres/install.ts'
import type { Cli } from '../cli.ts'
import { type DeclaredTables, declaredTables } from '../declared.ts'
import { CliError, EXIT, usageError } from '../errors.ts'
import { formatTable, printable } from '../text.ts'
import { examples, type Verb } from '../verb.ts'
import { addDbGrants } from './db-grants.ts'
import { databaseUrl } from './migrate.ts'

export function addDb(program: Command, verb: Verb): void {
  const db = program
    .command('db')
    .description('triggers and roles in the database, and SQL')
    .addHelpText(
      'after',
      examples('npx tappet db diff', 'npx tappet db query "select * from orders limit 5"'),
    )

  db.command('diff')
    .description('what is declared against what is installed; ends with 1 when they differ')
    .addHelpText(
      'after',
      examples('npx tappet db diff', 'DATABASE_URL=postgres://… npx tappet db diff --json'),
    )
    .action(verb((cli) => diff(cli)))

  db.command('apply')
    .description('install, alter and remove triggers as declared')
    .addHelpText('after', examples('npx tappet db apply', 'npx tappet db apply --json'))
    .action(verb((cli) => apply(cli)))

  addDbGrants(db, verb)

  db.command('query')
    .description("run SQL on the ledger's database")
    .argument('<sql>', 'a statement or several, @file, or - for stdin')
    .option('--database <variable>', 'the environment variable with the URL of another database')
    .addHelpText(
      'after',
      examples(
        'npx tappet db query "select id, status from orders"',
        `npx tappet db query "select tappet.send('emails', '{}')"`,
        'npx tappet db query @report.sql --json',
      ),
    )
    .action(verb((cli, sql: string, options: { readonly database?: string }) => query(cli, sql, options)))
}

interface Comparison {
  readonly database: string | null
  readonly url: string
  readonly diff: DbDiff
}

async function diff(cli: Cli): Promise<number> {
  const declared = await declaredTables(cli)
  const compared = await eachDatabase(cli, declared, async (_client, comparison) => comparison)
  const changes = compared.flatMap((one) => one.diff.changes.map((change) => toLine(change, one.database)))
  const problems = compared.flatMap((one) => one.diff.problems)
  cli.show({ changes, problems }, () => changes.map(({ line }) => line).join('\n') || 'nothing to do')
  for (const { functionId, label, message } of problems)
    cli.note(`✖ ${functionId} (${label}): ${printable(message)}`)
  if (changes.length > 0) cli.note('Run `npx tappet db apply`.')
  return changes.length + problems.length > 0 ? EXIT.failed : EXIT.ok
}

/** Triggers are removed only when every file could be read: one that does not compile still wants its own. */
async function apply(cli: Cli): Promise<number> {
  const { migrate } = await import('../../store/migrate.ts')
  const { applyDiff } = await import('../../triggers/postgres/install.ts')
  const declared = await declaredTables(cli)
  const safe = declared.problems.length === 0
  const results = await eachDatabase(cli, declared, async (client, { database, diff: { changes } }) => {
    const wanted = changes.filter(({ action }) => safe || action === 'create')
    if (wanted.length > 0) await migrate(client, 'outbox')
    const { applied, failed } = await applyDiff(client, { changes: wanted })
    return {
      applied: applied.map((change) => toLine(change, database)),
      failed: failed.map(({ change, message }) => ({ ...toLine(change, database), message })),
    }
  })
  const applied = results.flatMap((result) => result.applied)
  const failed = results.flatMap((result) => result.failed)
  cli.show({ applied, failed }, () => applied.map(({ line }) => line).join('\n') || 'nothing to do')
  for (const { message } of declared.problems) cli.note(`✖ ${printable(message)}; no triggers were removed`)
  for (const { line, message } of failed) cli.note(`✖ ${line}: ${printable(message)}`)
  if (failed.length === 0) return EXIT.ok
  return applied.length > 0 ? EXIT.partial : EXIT.failed
}

function toLine(
  { action, line }: TriggerChange,
  database: string | null,
): { database: string | null; action: string; line: string } {
  return { database, action, line: printable(line) }
}

async function eachDatabase<T>(
  cli: Cli,
  { byDatabase }: DeclaredTables,
  work: (client: Connection, comparison: Comparison) => Promise<T>,
): Promise<readonly T[]> {
  const { withConnection } = await import('../../store/postgres/console.ts')
  const { diffBindings } = await import('../../triggers/postgres/install.ts')
  const { project } = cli.config()
  const results: T[] = []
  for (const [database, subscriptions] of byDatabase) {
    const url = await urlOf(cli, database)
    const result = await withConnection(url, async (client) => {
      const found = await diffBindings(client, subscriptions, { project, database })
      return work(client, { database, url, diff: found })
    })
    results.push(result)
  }
  return results
}

async function urlOf(cli: Cli, variable: string | null): Promise<string> {
  if (variable === null) return databaseUrl(cli)
  const url = cli.environment()[variable]
  if (url) return url
  const message = `environment variable ${variable} must be the URL of a Postgres database, but is not set`
  throw new CliError('TPT_CONFIG_INVALID', message)
}

async function query(
  cli: Cli,
  given: string,
  { database = null }: { readonly database?: string | null },
): Promise<void> {
  const sql = await readSql(given, cli)
  const { runSql } = await import('../../store/postgres/console.ts')
  const results = await runSql(await urlOf(cli, database), sql)
  cli.show(results.map(toObjects), () =>
    results.map((result) => resultText(result, cli.columns)).join('\n\n'),
  )
}

async function readSql(given: string, { io }: Cli): Promise<string> {
  if (given === '-') return text(io.stdin)
  if (!given.startsWith('@')) return given
  return readFile(given.slice(1), 'utf8').catch((error: Error) => {
    throw usageError(`${given}: ${error.message}`, 'Check the path.')
  })
}

interface SqlAnswer {
  readonly command: string
  readonly rowCount: number | null
  readonly rows: readonly Readonly<Record<string, unknown>>[]
}

function toObjects({ command, rowCount, columns, rows }: SqlResult): SqlAnswer {
  const toObject = (row: readonly unknown[]) =>
    Object.fromEntries(columns.map((column, i) => [column, row[i]]))
  return { command, rowCount, rows: rows.map(toObject) }
}

function resultText({ command, rowCount, columns, rows }: SqlResult, width: number): string {
  if (columns.length === 0) return rowCount === null ? command : `${command} ${rowCount}`
  const table = formatTable(
    columns,
    rows.map((row) => row.map(cellText)),
    width,
  )
  return `${table}\n(${rows.length} ${rows.length === 1 ? 'row' : 'rows'})`
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (value instanceof Date) return value.toISOString()
  if (Buffer.isBuffer(value)) return `\\x${value.toString('hex')}`
  const shown = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return printable(shown).replaceAll('\n', '\\n')
}
