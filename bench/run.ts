import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cron } from './groups/cron.ts'
import { http } from './groups/http.ts'
import { rows } from './groups/rows.ts'
import { throughput } from './groups/throughput.ts'
import { uploads } from './groups/uploads.ts'
import type { RunGroup } from './harness/group.ts'
import { ensurePeers, ownVersion } from './harness/install.ts'
import { describeMachine, writeReport } from './harness/report.ts'
import { startServers } from './harness/servers.ts'

const GROUPS: Readonly<Record<string, RunGroup>> = { throughput, http, rows, uploads, cron }
const OWN = ['bullmq', 'croner', 'ioredis', 'pg', 'fastify']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    only: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
  },
})
const quick = values.quick
const effort = {
  quick,
  seconds: Number(values.seconds ?? (quick ? 0.5 : 2)),
  rounds: Number(values.rounds ?? (quick ? 1 : 5)),
}

/** One group, or all in turn. A shakedown is shown only: its figures say nothing. */
async function main(names: readonly string[]): Promise<void> {
  const unknown = names.find((name) => !GROUPS[name])
  if (unknown !== undefined) {
    throw new Error(
      `there is no group ${unknown}; there are ${Object.keys(GROUPS).join(', ')}, runtime, dashboard and growth`,
    )
  }
  const peers = ensurePeers()
  const own = Object.fromEntries(OWN.map((name) => [name, ownVersion(name)]))
  for (const name of names) await run(name, { ...own, ...peers })
}

async function run(group: string, versions: Readonly<Record<string, string>>): Promise<void> {
  const servers = await startServers()
  const machine = describeMachine()
  const end = (): void => void servers.stop().finally(() => process.exit(130))
  process.once('SIGINT', end).once('SIGTERM', end)
  console.log(`${group}: ${machine.machine}, Node ${machine.node}, ${servers.description}\n`)
  try {
    const outcomes = (await GROUPS[group]?.(servers, effort)) ?? []
    const command = ['npm run bench --', group, ...process.argv.slice(2).filter((arg) => arg !== group)].join(
      ' ',
    )
    const report = { group, command, ...machine, servers: servers.description, versions, quick, outcomes }
    if (!quick) await writeReport(report, join(import.meta.dirname, '..', 'docs', 'benchmarks'))
  } finally {
    await servers.stop()
  }
}

if (positionals[0] === 'dashboard') {
  await (await import('./dashboard.ts')).benchDashboard(Number(values.rounds ?? 5))
} else if (positionals[0] === 'growth') {
  await (await import('./growth.ts')).benchGrowth(Number(values.seconds ?? 30), quick)
  process.exit(0)
} else if (positionals[0] === 'runtime') {
  await (await import('./runtime.ts')).benchRuntime(Number(values.rounds ?? 5), values.only)
} else {
  await main(positionals.length > 0 ? positionals : Object.keys(GROUPS))
  process.exit(0)
}
