import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type Contestant, type Outcome, startSide } from '../harness/contest.ts'
import { closeAll, type RunGroup, showContest } from '../harness/group.ts'
import { query, type Servers } from '../harness/servers.ts'
import { type Figures, type Load, quantiles } from '../harness/side.ts'
import { startTappet } from '../harness/tappet.ts'
import { now, REPORT } from '../sides/report.ts'

const TABLE = `create table rows (id bigint generated always as identity primary key, sent double precision not null, text text not null)`
const FUNCTION = `import { appendFileSync } from 'node:fs'
import { defineFunction, postgres } from 'tappet'
const now = (): number => performance.timeOrigin + performance.now()
export default defineFunction({ on: postgres.table('rows').onChange() }, ({ data }) => {
  appendFileSync('${REPORT}', now() + ' ' + (now() - Number((data as { sent: number }).sent)) + '\\n')
})
`

interface Watcher {
  readonly name: string
  readonly durability: string
  readonly databaseUrl: string
  readonly folder: string
  readonly pids: readonly number[]
  /** Whether anybody is called. */
  readonly hears: boolean
  readonly close: () => Promise<void>
}

/** A changed row until the function has been called with it, from just before the statement. */
export const rows: RunGroup = async (servers, { seconds, rounds, quick }) => {
  const all = await startWatchers(servers)
  const hearing = all.filter(({ hears }) => hears)
  const load = { seconds, inFlight: 4, bytes: 100 }
  const outcomes: Outcome[] = []
  const compare = async (
    watchers: readonly Watcher[],
    [title, headline]: readonly [string, string],
    turn: (watcher: Watcher, load: Load) => Promise<Figures>,
  ): Promise<void> => {
    const contestants = watchers.map((watcher) => toContestant(watcher, (asked) => turn(watcher, asked)))
    outcomes.push(await showContest(contestants, { title, headline, load, rounds }, servers))
  }
  const many = quick ? 1_000 : 100_000
  try {
    await compare(hearing, ['500 rows a second', 'p50'], (watcher, { seconds }) => steady(watcher, seconds))
    await compare(all, ['4 writers flat out', 'writtenPerSecond'], flatOut)
    await compare(hearing, [`one update of ${many.toLocaleString('en')} rows`, 'seconds'], (watcher) =>
      update(watcher, many),
    )
  } finally {
    await closeAll(all.map((watcher) => toContestant(watcher, async () => ({}))))
  }
  return outcomes
}

async function startWatchers(servers: Servers): Promise<readonly Watcher[]> {
  const tappet = await startTappet(servers, { 'row.ts': FUNCTION }, TABLE)
  const side = async (
    {
      name,
      durability,
      hears = true,
    }: { readonly name: string; readonly durability: string; readonly hears?: boolean },
    ...[file, which]: readonly [string, string]
  ): Promise<Watcher> => {
    const { pid, options, close } = await startSide(servers, file, which, {}, TABLE)
    return { name, durability, hears, pids: [pid], ...options, close }
  }
  return [
    {
      ...tappet,
      name: 'Tappet',
      durability: 'the change, in the writer’s transaction',
      hears: true,
      pids: [tappet.pid],
    },
    await side(
      { name: 'NOTIFY and a listener', durability: 'nothing: what nobody hears is lost' },
      'rows',
      'notifyListener',
    ),
    await side(
      { name: 'graphile-worker, add_job in a trigger', durability: 'the job, in the writer’s transaction' },
      ...(['graphile-worker', 'fromTrigger'] as const),
    ),
    await side({ name: 'no trigger', durability: 'the row', hears: false }, 'rows', 'nobody'),
  ]
}

function toContestant(
  { name, durability, pids, close }: Watcher,
  turn: (load: Load) => Promise<Figures>,
): Contestant {
  return { name, durability, pids, close, turn }
}

const INSERT = { name: 'insert', text: `insert into rows (sent, text) values ($1, repeat('x', 100))` }
const RATE = 500

async function steady(watcher: Watcher, seconds: number): Promise<Figures> {
  clear(watcher)
  const count = Math.ceil(seconds * RATE)
  const pool = new pg.Pool({ connectionString: watcher.databaseUrl, max: 4 })
  try {
    const begun = performance.now()
    const writing: Promise<unknown>[] = []
    for (let n = 0; n < count; n++) {
      const late = begun + (n * 1_000) / RATE - performance.now()
      if (late > 1) await sleep(late)
      writing.push(pool.query({ ...INSERT, values: [now()] }))
    }
    await Promise.all(writing)
  } finally {
    await pool.end()
  }
  const { latencies, heard } = await arrivals(watcher, count)
  return { count, heard, ...quantiles(latencies) }
}

async function flatOut(watcher: Watcher, { seconds, inFlight }: Load): Promise<Figures> {
  clear(watcher)
  const begun = now()
  let count = 0
  await withClients(watcher, inFlight, async (clients) => {
    const write = async (client: pg.Client): Promise<void> => {
      for (; now() < begun + seconds * 1_000; count++) await client.query({ ...INSERT, values: [now()] })
    }
    await Promise.all(clients.map(write))
  })
  const writtenPerSecond = (count / (now() - begun)) * 1_000
  if (!watcher.hears) return { count, heard: 0, writtenPerSecond, heardPerSecond: 0, p50: 0, p99: 0 }
  const { latencies, heard, last } = await arrivals(watcher, count)
  return {
    count,
    heard,
    writtenPerSecond,
    heardPerSecond: (heard / (last - begun)) * 1_000,
    ...quantiles(latencies),
  }
}

/** All rows of a table in one transaction: until the last call. */
async function update(watcher: Watcher, count: number): Promise<Figures> {
  await query(
    watcher.databaseUrl,
    `alter table rows disable trigger user; truncate rows;
     insert into rows (sent, text) select 0, repeat('x', 100) from generate_series(1, ${count});
     alter table rows enable trigger user`,
  )
  clear(watcher)
  const begun = now()
  await query(watcher.databaseUrl, `update rows set sent = ${begun}`)
  const written = now()
  const { heard, last } = await arrivals(watcher, count)
  return { count, heard, statementSeconds: (written - begun) / 1_000, seconds: (last - begun) / 1_000 }
}

function clear({ folder }: Watcher): void {
  writeFileSync(join(folder, REPORT), '')
}

interface Arrivals {
  readonly latencies: readonly number[]
  readonly heard: number
  /** When the last one came. */
  readonly last: number
}

const QUIET_MS = 10_000

/** Waits until all have come, or nothing more has for ten seconds: then the rest counts as lost. */
async function arrivals({ folder }: Watcher, count: number): Promise<Arrivals> {
  let lines: readonly string[] = []
  for (let quietSince = performance.now(); lines.length < count;) {
    await sleep(50)
    const found = readFileSync(join(folder, REPORT), 'utf8').split('\n').slice(0, -1)
    if (found.length > lines.length) quietSince = performance.now()
    else if (performance.now() - quietSince > QUIET_MS) break
    lines = found
  }
  const parsed = lines.map((line) => line.split(' ').map(Number))
  return {
    latencies: parsed.map(([, latency = 0]) => latency),
    heard: lines.length,
    last: parsed.at(-1)?.[0] ?? now(),
  }
}

async function withClients(
  { databaseUrl }: Watcher,
  count: number,
  work: (clients: readonly pg.Client[]) => Promise<void>,
): Promise<void> {
  const clients = Array.from({ length: count }, () => new pg.Client(databaseUrl))
  await Promise.all(clients.map((client) => client.connect()))
  try {
    await work(clients)
  } finally {
    await Promise.all(clients.map((client) => client.end()))
  }
}
