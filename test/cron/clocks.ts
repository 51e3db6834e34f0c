import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Webhook } from 'standardwebhooks'
import { type Dice, rollDice } from '../chaos/dice.ts'
import { eventually } from '../support/eventually.ts'
import { ADMIN_KEY, type Cluster, startCluster } from './cluster.ts'
import { CLOCK_FUNCTIONS, HOOK_SECRET, judge, SCHEDULES, type Told } from './clock-verdict.ts'
import { machine, writeReport } from './report.ts'
import { allDecided, clockPasses, nextSecond } from './ticks.ts'

// `npm run clocks [-- --jumps 500 --seed 7 --engine both --report]`: the clock of one of three nodes jumps by up to an
// hour, all the while. Nothing may depend on it: no tick, lease, retry, delay or signature.

const { values } = parseArgs({
  options: {
    jumps: { type: 'string', default: '500' },
    engine: { type: 'string', default: 'both' },
    seed: { type: 'string' },
    report: { type: 'boolean', default: false },
  },
})

const LIBRARY = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1',
].find((path) => existsSync(path))

const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const engines =
  values.engine === 'both' ? (['redis', 'postgres'] as const) : [values.engine as 'redis' | 'postgres']
const jumps = Math.ceil(Number(values.jumps) / engines.length)
const GAP_MS = 200
const HOUR_S = 3_600
const SETTLE_MS = 90_000

async function main(library: string): Promise<void> {
  console.log(`clocks: ${jumps} jumps of one of three nodes on each of ${engines.join(', ')}; seed ${seed}`)
  const rows: (readonly [string, string])[] = []
  let good = true
  for (const engine of engines) {
    const { figures, wrong } = await runOn(engine, library)
    for (const [what, figure] of figures) {
      console.log(`  ${engine}: ${what}: ${figure}`)
      rows.push([`${engine}: ${what}`, figure])
    }
    for (const line of wrong) console.log(`  ✖ ${engine}: ${line}`)
    good &&= wrong.length === 0
  }
  console.log(good ? 'no clock but the database’s mattered' : `WRONG: run it again with --seed ${seed}`)
  process.exitCode = good ? 0 : 1
  if (!values.report) return
  const command = `npm run clocks -- --jumps ${values.jumps} --engine ${values.engine} --seed ${seed} --report`
  await writeReport('clocks.md', 'One of three clocks jumps', { command, machine: machine(), rows })
}

async function runOn(engine: 'redis' | 'postgres', library: string): ReturnType<typeof judge> {
  const fake = (place: number, folder: string): Record<string, string> => ({
    HOOK_SECRET,
    ...(place === 0 && {
      LD_PRELOAD: library,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_NO_CACHE: '1',
      FAKETIME_TIMESTAMP_FILE: join(folder, 'clock'),
    }),
  })
  const files = { ...CLOCK_FUNCTIONS }
  const cluster = await startCluster({ engine, nodes: 3, functions: files, environment: fake })
  try {
    const { db } = cluster
    const from = await nextSecond(db)
    const told: Told = { jumps: 0, astray: 0, refusedNow: 0, acceptedOld: 0, hooks: 0, accepted: [] }
    await jumpAll(cluster, told)
    const until = await nextSecond(db, 0)
    await eventually(() => clockPasses(db, until), 'the last tick', 10_000)
    await eventually(() => allDecided(db, SCHEDULES, until), 'all ticks to be decided', SETTLE_MS)
    const open = `select count(*)::int as n from tappet.runs where state not in ('completed', 'dead', 'cancelled')
      and function_id <> 'ticks'`
    await eventually(async () => (await db.query(open)).rows[0].n === 0, 'all runs to end', SETTLE_MS)
    const ran = (await readFile(join(cluster.folder, 'oracle.log'), 'utf8')).split('\n').filter(Boolean)
    return await judge(db, { from, until, told, ran })
  } finally {
    await cluster.stop()
  }
}

async function jumpAll(cluster: Cluster, told: Told): Promise<void> {
  const dice = rollDice(seed)
  for (; told.jumps < jumps; told.jumps++) {
    const seconds = dice.pick([0, HOUR_S, -HOUR_S, dice.between(-HOUR_S, HOUR_S), dice.between(-120, 120)])
    await writeFile(join(cluster.folder, 'clock'), `${seconds < 0 ? '' : '+'}${seconds}s\n`)
    await Promise.all([callAll(cluster, told, dice), new Promise((resolve) => setTimeout(resolve, GAP_MS))])
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${told.jumps + 1}/${jumps} jumps`)
  }
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  await writeFile(join(cluster.folder, 'clock'), '+0s\n')
}

/** Right after a jump: a webhook of now and one of an hour ago to the node that jumped, and messages to any. */
async function callAll({ nodes }: Cluster, told: Told, dice: Dice): Promise<void> {
  const [skewed] = nodes
  if (!skewed) throw new Error('no nodes')
  const id = `m-${told.jumps}`
  told.hooks += 2
  if ((await hook(skewed.url, `${id}-now`, told)) !== 202) told.refusedNow++
  if ((await hook(skewed.url, `${id}-old`, told, HOUR_S)) !== 401) told.acceptedOld++
  if (told.jumps % 4 !== 0) return
  const sends: (readonly [string, string])[] = [
    ['slow', ''],
    ['again', ''],
    ['later', '&delay=2s'],
  ]
  for (const [queue, delay] of sends) {
    const url = `${dice.pick(nodes).url}/_tappet/queues/${queue}?key=${id}${delay}`
    const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' }
    const response = await fetch(url, { method: 'POST', headers, body: '{}' })
    await response.arrayBuffer()
    if (response.status === 202) told.accepted.push(`${queue} ${id}`)
  }
}

async function hook(url: string, id: string, told: Told, agoS = 0): Promise<number> {
  const at = new Date(Date.now() - agoS * 1_000)
  const body = JSON.stringify({ id })
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': new Webhook(HOOK_SECRET).sign(id, at, body),
  }
  const response = await fetch(`${url}/hook`, { method: 'POST', headers, body })
  await response.arrayBuffer()
  const date = Date.parse(response.headers.get('date') ?? '')
  if (Math.abs(date - Date.now()) > 60_000) told.astray++
  return response.status
}

if (LIBRARY) await main(LIBRARY)
else console.log('clocks: skipped, because libfaketime is not installed (Debian: apt-get install faketime)')
