import type { Command } from 'commander'
import { plus } from '../../store/took.ts'
import { type Duration, toMs } from '../../lib/duration.ts'
import type { Usage } from '../../store/usage.ts'
import type { Cli } from '../cli.ts'
import { duration } from '../input.ts'
import { formatBytes, formatTable } from '../text.ts'
import { examples, type Verb } from '../verb.ts'

interface Options {
  readonly since: Duration
  readonly daily?: boolean
}

interface Answer {
  readonly usage: readonly Usage[]
  readonly costs: readonly { readonly cloud: string; readonly usd: number; readonly note: string | null }[]
  readonly pricesReadOn: string
}

const DAY_MS = 86_400_000

export function addUsage(program: Command, verb: Verb): void {
  program
    .command('usage')
    .description('what functions took, and what it would have cost elsewhere')
    .option('--since <duration>', 'how far back, in whole days (UTC), today included', duration, '30d')
    .option('--daily', 'each day by itself')
    .addHelpText('after', examples('npx tappet usage', 'npx tappet usage --since 7d --daily --json'))
    .action(verb((cli, options: Options) => show(cli, options)))
}

async function show(cli: Cli, { since, daily = false }: Options): Promise<void> {
  const days = Math.max(1, Math.ceil(toMs(since) / DAY_MS))
  const answer = await (await cli.server()).get<Answer>('/usage', { days })
  cli.show(answer, () => (answer.usage.length === 0 ? 'nothing has run' : text(answer, daily, cli)))
}

function text({ usage, costs, pricesReadOn }: Answer, daily: boolean, { columns, paint }: Cli): string {
  const all = daily ? usage : byFunction(usage)
  const titles = ['CALLS', 'FAILED', 'COLD', 'BILLED', 'GB-S', 'CPU', 'PEAK', 'IN', 'OUT']
  const rows = all.map((each) => [...(daily ? [each.day] : []), each.functionId, ...cells(each)])
  const table = formatTable([...(daily ? ['DAY'] : []), 'FUNCTION', ...titles], rows, columns)
  const prices = costs.map(({ cloud, usd, note }) => [cloud, dollars(usd), note ?? ''])
  const about = `At list prices as read on ${pricesReadOn}, without free amounts, fees and discounts.`
  return [table, '', formatTable(['WOULD HAVE COST', 'USD', ''], prices, columns), paint.dim(about)].join(
    '\n',
  )
}

function cells(each: Usage): string[] {
  const { attempts, failed, cold, billedMs, gbSeconds, cpuMs, peakKb, bytesIn, bytesOut } = each
  return [
    ...[attempts, failed, cold].map(String),
    ...[seconds(billedMs), gbSeconds.toFixed(2), seconds(cpuMs)],
    ...[formatBytes(peakKb * 1_024), formatBytes(bytesIn), formatBytes(bytesOut)],
  ]
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(ms < 10_000 ? 3 : 1)} s`
}

/** Two digits, or as many as it takes to see anything. */
function dollars(usd: number): string {
  return usd >= 0.01 || usd === 0 ? usd.toFixed(2) : usd.toPrecision(2)
}

function byFunction(usage: readonly Usage[]): Usage[] {
  const sums = new Map<string, Usage>()
  for (const each of usage) {
    const before = sums.get(each.functionId)
    sums.set(each.functionId, before ? add(before, each) : each)
  }
  return [...sums.values()].toSorted((a, b) => (a.functionId < b.functionId ? -1 : 1))
}

function add(a: Usage, b: Usage): Usage {
  const bytes = { bytesIn: a.bytesIn + b.bytesIn, bytesOut: a.bytesOut + b.bytesOut }
  return { ...plus(a, b), runs: a.runs + b.runs, ...bytes }
}
