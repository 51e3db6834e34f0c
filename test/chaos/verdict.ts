import pg from 'pg'
import type { Cluster } from './cluster.ts'
import type { Oracle } from './oracle.ts'
import type { Told } from './told.ts'

/** What came of it all. Everything under `wrong` must be empty. */
export interface Verdict {
  readonly runs: number
  readonly reruns: number
  /** Of these, by a claim that a crash of Postgres has lost: the next one could not know of it. */
  readonly forgotten: number
  readonly ticks: number
  /** Dead letters of runs that killed their process: they are meant to end there. */
  readonly poisoned: number
  readonly drainMs: number
  readonly recoveries: readonly Recovery[]
  readonly wrong: readonly string[]
}

/** A run that a dead process held, and how long after the death it started again. */
export interface Recovery {
  readonly pid: number
  readonly ms: number
  /** The ledger could be reached all the time between. */
  readonly reachable: boolean
}

export interface JudgeOptions {
  readonly told: Told
  readonly oracle: Oracle
  /** Longest time from the last event until all have run. Default 60 s. */
  readonly drainMs?: number
}

/** Runs of the clock go on while we look; those of the poisonous function are judged by themselves. */
const OURS = `function_id not in ('tick', 'mixed')`

export async function judge(cluster: Cluster, options: JudgeOptions): Promise<Verdict> {
  const { told, oracle, drainMs: longestMs = 60_000 } = options
  const client = new pg.Client(cluster.databaseUrl)
  await client.connect()
  const rows = async <T extends pg.QueryResultRow>(text: string): Promise<T[]> =>
    (await client.query<T>(text)).rows
  try {
    const drainMs = await drain(client, options, longestMs)
    await oracle.read()
    const twice = await rows(`select event, function_id from tappet.runs group by 1, 2 having count(*) > 1`)
    const dead = await rows<{ id: string; function_id: string; failure: { message: string } }>(DEAD)
    const open = await rows<{ id: string; state: string }>(
      `select id, state from tappet.runs where state not in ('completed', 'dead') and function_id <> 'tick'`,
    )
    const gaps = await rows<{ at: string }>(TICK_GAPS)
    const [counts] = await rows<{ ticks: number; poisoned: number }>(COUNTS)
    const { events, again } = told.ran()
    const forgotten = await unexplained(client, told.again())
    const excusable = cluster.crashes() * cluster.inFlight
    return {
      runs: events,
      reruns: again,
      forgotten,
      ticks: counts?.ticks ?? 0,
      poisoned: counts?.poisoned ?? 0,
      drainMs,
      recoveries: await recoveries(client, cluster),
      wrong: [
        ...told.lost().map((event) => `acknowledged and lost: ${event}`),
        ...twice.map((row) => `two runs of one event and function: ${JSON.stringify(row)}`),
        ...dead.map((row) => `innocent, but dead: ${row.function_id} ${row.id}: ${row.failure?.message}`),
        ...open.map(({ id, state }) => `did not drain in ${longestMs / 1_000} s: ${id} is ${state}`),
        ...told.phantoms().map((event) => `must not have run: ${event}`),
        ...gaps.map(({ at }) => `no tick at ${at}`),
        ...(forgotten > excusable
          ? [
              `run again: ${forgotten} times for no reason that the ledger knows, and ${excusable} at most by crashes`,
            ]
          : []),
      ],
    }
  } finally {
    await client.end()
  }
}

const DEAD = `
  select r.id, r.function_id, r.failure from tappet.runs r join tappet.events e on e.id = r.event
   where r.state = 'dead' and (${OURS} or (function_id = 'mixed' and e.payload->'data'->>'poison' is null))`

const COUNTS = `
  select (select count(*)::int from tappet.events where type = 'cron.tick') as ticks,
         (select count(*)::int from tappet.runs where function_id = 'mixed' and state = 'dead') as poisoned`

/** Seconds between the first and the last tick that have no event. */
const TICK_GAPS = `
  with ticks as (select (payload->'data'->>'scheduledAt')::timestamptz as at from tappet.events where type = 'cron.tick')
  select at::text from (select generate_series(min(at), max(at), '1 s') as at from ticks) as wanted
   where not exists (select from ticks where ticks.at = wanted.at)`

const OPEN = `select from tappet.runs where state not in ('completed', 'dead') and function_id <> 'tick' limit 1`

/** Waits until every acknowledged event has run and nothing is open; answers how long that took. */
async function drain(client: pg.Client, { told, oracle }: JudgeOptions, longestMs: number): Promise<number> {
  const started = performance.now()
  for (;;) {
    await oracle.read()
    const idle = told.waiting() === 0 && (await client.query(OPEN)).rowCount === 0
    const tookMs = performance.now() - started
    if (idle || tookMs > longestMs) return tookMs
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

/**
 * What is run again must have lost its lease before: executions beyond the leases that a run has had. A claim's commit
 * does not wait for the disk, so a crash of Postgres may forget as many as were under way.
 */
async function unexplained(client: pg.Client, executions: ReadonlyMap<string, number>): Promise<number> {
  const { rows } = await client.query<{ sum: number }>(
    `select coalesce(sum(greatest(0, h.times - r.lease)), 0)::int as sum
       from unnest($1::text[], $2::int[]) as h(id, times) join tappet.runs r on r.id = h.id`,
    [[...executions.keys()], [...executions.values()]],
  )
  return rows[0]?.sum ?? 0
}

const RECOVERIES = `
  select a.worker, a.started_at as started, coalesce(b.started_at, r.started_at) as next
    from tappet.attempts a join tappet.runs r on r.id = a.run
    left join tappet.attempts b on b.run = a.run and b.lease = a.lease + 1
   where a.outcome = 'lost'`

async function recoveries(client: pg.Client, { deaths, outages, workers }: Cluster): Promise<Recovery[]> {
  const { rows } = await client.query<{ worker: string; next: Date | null; started: Date }>(RECOVERIES)
  return rows.flatMap(({ worker, next, started }) => {
    const pid = workers.get(worker) ?? 0
    const died = deaths.get(pid)
    // It may have been lost for another reason, and started again, before the process died.
    if (died === undefined || died < started.getTime() || !next || next.getTime() < died) return []
    const away = outages.some(({ from, until }) => from < next.getTime() && until + 1_000 > died)
    return [{ pid, ms: next.getTime() - died, reachable: !away }]
  })
}
