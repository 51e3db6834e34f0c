import pg from 'pg'
import type { Cluster } from './cluster.ts'
import { KINDS, type Told } from './load.ts'

/** What came of it all. Everything under `wrong` must be empty. */
export interface Verdict {
  readonly acknowledged: number
  readonly refused: number
  readonly completed: number
  readonly reruns: number
  readonly ticks: number
  readonly drainMs: number
  /** From the death of a worker to the next start of a run that it held, ms. */
  readonly recoveriesMs: readonly number[]
  readonly wrong: readonly string[]
}

const DRAIN_MS = 60_000

export async function judge(cluster: Cluster, told: Told): Promise<Verdict> {
  const started = performance.now()
  const left = await drain(cluster, told)
  const drainMs = performance.now() - started
  const lines = await cluster.oracle()
  const runs = lines.map((line) => line.split(' ')[2] ?? '')
  const client = new pg.Client(cluster.databaseUrl)
  await client.connect()
  const rows = async <T extends pg.QueryResultRow>(text: string): Promise<T[]> =>
    (await client.query<T>(text)).rows
  try {
    const twice = await rows(`select event, function_id from tappet.runs group by 1, 2 having count(*) > 1`)
    const dead = await rows<{ id: string; failure: { message: string } }>(
      `select id, failure from tappet.runs where state = 'dead'`,
    )
    const open = await rows<{ id: string; state: string }>(
      `select id, state from tappet.runs where state not in ('completed', 'dead') and function_id <> 'tick'`,
    )
    const gaps = await rows<{ at: string }>(TICK_GAPS)
    const [ticks] = await rows<{ n: number }>(
      `select count(*)::int as n from tappet.events where type = 'cron.tick'`,
    )
    const seen = new Set(lines.map((line) => line.split(' ').slice(0, 2).join(' ')))
    const phantoms = [...told.never].filter((id) => seen.has(`row ${id}`))
    return {
      acknowledged: KINDS.reduce((sum, kind) => sum + told.acknowledged[kind].size, 0),
      refused: KINDS.reduce((sum, kind) => sum + told.refused[kind], 0) - told.never.size,
      completed: new Set(runs).size,
      reruns: runs.length - new Set(runs).size,
      ticks: ticks?.n ?? 0,
      drainMs,
      recoveriesMs: await recoveries(client, cluster),
      wrong: [
        ...left.map((id) => `acknowledged and lost: ${id}`),
        ...twice.map((row) => `two runs of one event and function: ${JSON.stringify(row)}`),
        ...dead.map(({ id, failure }) => `innocent, but dead: ${id}: ${failure?.message}`),
        ...open.map(({ id, state }) => `did not drain: ${id} is ${state}`),
        ...phantoms.map((id) => `rolled back, but ran: ${id}`),
        ...gaps.map(({ at }) => `no tick at ${at}`),
      ],
    }
  } finally {
    await client.end()
  }
}

/** Seconds between the first and the last tick that have no event. */
const TICK_GAPS = `
  with ticks as (select (payload->'data'->>'scheduledAt')::timestamptz as at from tappet.events where type = 'cron.tick')
  select at::text from (select generate_series(min(at), max(at), '1 s') as at from ticks) as wanted
   where not exists (select from ticks where ticks.at = wanted.at)`

/** Waits until every acknowledged event has run; answers those that have not. */
async function drain(cluster: Cluster, { acknowledged }: Told): Promise<string[]> {
  const until = performance.now() + DRAIN_MS
  for (;;) {
    const seen = new Set((await cluster.oracle()).map((line) => line.split(' ').slice(0, 2).join(' ')))
    const left = KINDS.flatMap((kind) => [...acknowledged[kind]].map((id) => `${kind} ${id}`)).filter(
      (id) => !seen.has(id),
    )
    if ((left.length === 0 && (await isIdle(cluster))) || performance.now() > until) return left
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

async function isIdle({ databaseUrl }: Cluster): Promise<boolean> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  const { rows } = await client.query(
    `select from tappet.runs where state not in ('completed', 'dead') and function_id <> 'tick' limit 1`,
  )
  await client.end()
  return rows.length === 0
}

async function recoveries(client: pg.Client, { deaths }: Cluster): Promise<number[]> {
  const { rows } = await client.query<{ pid: number; next: Date; started: Date }>(`
    select w.pid, a.started_at as started, coalesce(b.started_at, r.started_at) as next
      from tappet.attempts a join tappet.runs r on r.id = a.run join tappet.workers w on w.id = a.worker
      left join tappet.attempts b on b.run = a.run and b.lease = a.lease + 1
     where a.outcome = 'lost'`)
  return rows.flatMap(({ pid, next, started }) => {
    const died = deaths.get(pid)
    return died !== undefined && died >= started.getTime() && next ? [next.getTime() - died] : []
  })
}
