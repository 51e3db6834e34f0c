import { setTimeout as sleep } from 'node:timers/promises'
import { formatMs } from '../lib/duration.ts'
import type { Cli } from './cli.ts'
import { EXIT, usageError } from './errors.ts'
import { wholeNumber } from './input.ts'
import { runTable, type SentRun } from './run-text.ts'
import type { Server } from './server.ts'
import { formatAge, progressBar } from './text.ts'

/** A bulk action, as the API sends it. */
export interface SentBulk {
  readonly id: string
  readonly action: 'replay' | 'cancel'
  readonly filter: string
  readonly state: 'running' | 'done' | 'stopped'
  readonly rate: number
  readonly total: number
  readonly done: number
  readonly skipped: number
  readonly createdAt: string
  readonly createdBy: string
}

interface Preview {
  readonly count: number
  readonly exact: boolean
  readonly sample: readonly SentRun[]
  readonly oldestAt: string | null
  readonly newestAt: string | null
}

/** What replaying and cancelling by a filter take alike. */
export interface BulkOptions {
  readonly filter?: string
  readonly rate: number
  readonly limit?: number
  readonly reason?: string
  readonly dryRun?: boolean
  readonly detach?: boolean
}

export const bulkRate = wholeNumber(1_000)
export const bulkLimit = wholeNumber(1_000_000)

const EVERY_MS = 500

/** @throws CliError TPT_USAGE: ids or a filter, not both and not neither. */
export function checkSelection(ids: readonly string[], { filter }: BulkOptions): void {
  if (ids.length > 0 === (filter !== undefined))
    throw usageError(
      ids.length > 0
        ? 'ids and a filter cannot be given together'
        : 'expected ids of runs or --filter, got neither',
      "Name runs, or give a filter: --filter 'status:dead since:2h'.",
    )
}

/** Shows how many runs there are and the newest of them, asks, and follows the action to its end. */
export async function runBulk(cli: Cli, action: SentBulk['action'], options: BulkOptions): Promise<number> {
  const { filter: q = '', rate, limit, reason, dryRun, detach } = options
  if (q.trim() === '' && limit === undefined)
    throw usageError('an empty filter needs --limit', 'It would be every run.')
  const server = await cli.server()
  const wanted = { action, q, rate, ...(limit !== undefined && { limit }), ...(reason && { reason }) }
  const found = await server.post<Preview>('/bulk', { ...wanted, dryRun: true })
  if (dryRun || found.count === 0) {
    cli.show(found, () => previewText(found, cli))
    return EXIT.ok
  }
  cli.note(previewText(found, cli))
  const name = action === 'replay' ? 'Replay' : 'Cancel'
  await cli.confirm(`${name} ${found.count}${found.exact ? '' : '+'} runs at ${rate}/s?`)
  const { bulk } = await server.post<{ readonly bulk: SentBulk }>('/bulk', wanted)
  if (detach) {
    cli.show(bulk, () => bulk.id)
    return EXIT.ok
  }
  return followBulk(cli, server, bulk)
}

/** Shows its progress until it is over. Exit code 10 when some were skipped. */
export async function followBulk(cli: Cli, server: Server, begun: SentBulk): Promise<number> {
  const { flags, io } = cli
  const live = io.stderr.isTTY === true && !flags.quiet && !flags.json
  let bulk = begun
  while (bulk.state === 'running') {
    if (live) io.stderr.write(`\r\u001b[K${progressText(bulk)}`)
    await sleep(EVERY_MS)
    ;({ bulk } = await server.get<{ readonly bulk: SentBulk }>(`/bulk/${bulk.id}`))
  }
  if (live) io.stderr.write('\r\u001b[K')
  const { id, done, skipped, state } = bulk
  cli.show(bulk, () => `${state === 'stopped' ? '⊘ stopped' : '✔'} ${done} done, ${skipped} skipped  ${id}`)
  cli.note(cli.paint.dim(`they are: npx tappet runs list bulk:${id}`))
  if (skipped === 0 && state === 'done') return EXIT.ok
  return done > 0 ? EXIT.partial : EXIT.failed
}

/** `bulk_…  ██████░░░░  198/245  20/s  2s left` */
export function progressText({ id, total, done, skipped, rate, state }: SentBulk): string {
  const over = done + skipped
  const left =
    state === 'running' ? `  ${rate}/s  ${formatMs(((total - over) / rate) * 1_000)} left` : `  ${state}`
  return `${id}  ${progressBar(total === 0 ? 1 : over / total)}  ${over}/${total}${left}`
}

function previewText({ count, exact, sample, oldestAt, newestAt }: Preview, cli: Cli): string {
  if (count === 0 || oldestAt === null || newestAt === null) return 'no runs match'
  const age = (at: string): string => formatAge(new Date(at), new Date())
  const head = `${count}${exact ? '' : '+'} runs match (oldest ${age(oldestAt)}, newest ${age(newestAt)})`
  return `${runTable(sample, cli.paint, cli.columns)}\n${head}`
}
