import { parseArgs } from 'node:util'
import { cpus } from 'node:os'
import { bareBullmq } from './bare-bullmq.ts'
import { startServers } from './servers.ts'
import type { Side } from './side.ts'
import { tappet } from './tappet.ts'

interface Figures {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
  },
})
const SECONDS = Number(values.seconds)
const ROUNDS = Number(values.rounds)

/** Both sides in turn, on the same servers, so that a noisy machine is unfair to neither. */
async function main(): Promise<void> {
  const servers = await startServers()
  console.log(`node ${process.version}, ${cpus().length} cores, ${servers.description}`)
  console.log(
    `accepted → completed, no-op, 100-byte payload; ${ROUNDS} rounds of ${SECONDS} s a side, after a warm-up\n`,
  )
  const bare = await bareBullmq(servers.redisUrl)
  const sides = [
    bare,
    await tappet({ ...servers, engine: 'redis', handOver: true }),
    await tappet({ ...servers, engine: 'redis', handOver: false }),
    await tappet({ ...servers, engine: 'postgres', handOver: false }),
  ]
  try {
    for (const inFlight of [1, 50]) await compare(sides, inFlight)
    for (const side of sides) if (side.breakdown) printBreakdown(side)
  } finally {
    for (const side of sides) await side.close()
    await servers.stop()
  }
}

async function compare(sides: readonly Side[], inFlight: number): Promise<void> {
  for (const side of sides) await measure(side, inFlight, 1)
  const results = new Map<Side, Figures[]>(sides.map((side) => [side, []]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of sides) results.get(side)?.push(await measure(side, inFlight, SECONDS))
    process.stderr.write(`\r${inFlight} in flight: round ${round + 1} of ${ROUNDS}`)
  }
  process.stderr.write('\r\u001b[K')
  const [base] = sides
  console.log(`${inFlight} in flight`.padEnd(28), '     /s   p50 ms   p99 ms   × bare (min–max)')
  for (const side of sides) {
    const own = results.get(side) ?? []
    const ratios = own.map(({ perSecond }, i) => perSecond / (results.get(base as Side)?.[i]?.perSecond ?? 1))
    const [rate, p50, p99] = (['perSecond', 'p50', 'p99'] as const).map((key) =>
      median(own.map((figures) => figures[key])),
    )
    console.log(
      side.name.padEnd(28),
      String(Math.round(rate ?? 0)).padStart(7),
      (p50 ?? 0).toFixed(2).padStart(8),
      (p99 ?? 0).toFixed(2).padStart(8),
      `  ${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`,
    )
  }
  console.log()
}

async function measure(side: Side, inFlight: number, seconds: number): Promise<Figures> {
  const latencies: number[] = []
  const started = performance.now()
  const until = started + seconds * 1_000
  const caller = async (): Promise<void> => {
    while (performance.now() < until) {
      const begun = performance.now()
      await side.once()
      latencies.push(performance.now() - begun)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return {
    perSecond: latencies.length / ((performance.now() - started) / 1_000),
    p50: at(0.5),
    p99: at(0.99),
  }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

function printBreakdown(side: Side): void {
  const parts = Object.entries(side.breakdown?.() ?? {})
  console.log(
    `${side.name}: mean ms of one, by step: ${parts.map(([step, ms]) => `${step} ${ms.toFixed(2)}`).join(' · ')}`,
  )
}

if (positionals[0] === 'dashboard') await (await import('./dashboard.ts')).benchDashboard(ROUNDS)
else if (positionals[0] === 'runtime') await (await import('./runtime.ts')).benchRuntime(ROUNDS, values.only)
else await main()
