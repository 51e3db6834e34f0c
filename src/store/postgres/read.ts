import type { Pool } from 'pg'
import type { Failure } from '../../errors.ts'
import type { Envelope } from '../../events/envelope.ts'
import type { LogLine } from '../../runtime/runtime.ts'
import type { RunState } from '../run-state.ts'
import type { Attempt, Metered, Run, RunFilter } from '../store.ts'
import { query } from './pool.ts'
import { type EventRow, RUN_COLUMNS, type RunRow, toEnvelope, toRun } from './rows.ts'

export async function run(pool: Pool, runId: string): Promise<Run | null> {
  const [row] = await query<RunRow>(pool, 'run', `select ${RUN_COLUMNS} from tappet.runs where id = $1`, [
    runId,
  ])
  return row ? toRun(row) : null
}

const MAX_PAGE = 500

export async function runs(pool: Pool, filter: RunFilter): Promise<Run[]> {
  const { state, functionId, before, limit = 50 } = filter
  const conditions = [
    state === undefined ? null : ['state = ', state],
    functionId === undefined ? null : ['function_id = ', functionId],
    before === undefined ? null : ['id < ', before],
  ].filter((condition) => condition !== null)
  const where = conditions.map(([test], i) => `${test}$${i + 1}`).join(' and ') || 'true'
  const name = `runs:${conditions.map(([test]) => test).join()}`
  const text = `select ${RUN_COLUMNS} from tappet.runs where ${where} order by id desc limit $${conditions.length + 1}`
  const values = [...conditions.map(([, value]) => value), Math.min(limit, MAX_PAGE)]
  return (await query<RunRow>(pool, name, text, values)).map(toRun)
}

const EVENT = `select event_id, source, type, subject, time, payload, received_at from tappet.events where id = $1`

export async function event(
  pool: Pool,
  eventId: string,
): Promise<{ envelope: Envelope; receivedAt: Date } | null> {
  const [row] = await query<EventRow & { received_at: Date }>(pool, 'event', EVENT, [eventId])
  return row ? { envelope: toEnvelope(row), receivedAt: row.received_at } : null
}

const ATTEMPTS = `
  select lease, number, outcome, worker, version, started_at, finished_at, failure, duration_ms, cpu_ms, peak_kb, cold,
         bytes_in, bytes_out, memory_mb
    from tappet.attempts where run = $1 order by lease`

interface AttemptRow {
  readonly lease: number
  readonly number: number
  readonly outcome: Attempt['outcome']
  readonly worker: string | null
  readonly version: string | null
  readonly started_at: Date
  readonly finished_at: Date
  readonly failure: Failure | null
  readonly duration_ms: number | null
  readonly cpu_ms: number | null
  readonly peak_kb: number | null
  readonly cold: boolean
  readonly bytes_in: number
  readonly bytes_out: number
  readonly memory_mb: number
}

export async function attempts(pool: Pool, runId: string): Promise<Attempt[]> {
  const rows = await query<AttemptRow>(pool, 'attempts', ATTEMPTS, [runId])
  return rows.map((row) => {
    const { lease, number, outcome, worker, version, failure } = row
    const times = { startedAt: row.started_at, finishedAt: row.finished_at }
    return { lease, number, outcome, worker, version, failure, ...times, meter: toMeter(row) }
  })
}

function toMeter(row: AttemptRow): Metered | null {
  const { duration_ms: durationMs, cpu_ms: cpuMs, peak_kb: peakKb, cold } = row
  if (durationMs === null) return null
  const { bytes_in: bytesIn, bytes_out: bytesOut, memory_mb: memoryMb } = row
  return { durationMs, cpuMs, peakKb, cold, bytesIn, bytesOut, memoryMb }
}

const APPEND_LOGS = `
  insert into tappet.logs (run, attempt, time, level, message, fields)
  select run, attempt, time, level, message, fields::json
    from unnest($1::text[], $2::int[], $3::timestamptz[], $4::text[], $5::text[], $6::text[])
      as l(run, attempt, time, level, message, fields)`

export async function appendLogs(pool: Pool, lines: readonly LogLine[]): Promise<void> {
  if (lines.length === 0) return
  await query(pool, 'append-logs', APPEND_LOGS, [
    lines.map(({ runId }) => runId),
    lines.map(({ attempt }) => attempt),
    lines.map(({ time }) => time),
    lines.map(({ level }) => level),
    lines.map(({ message }) => message.replaceAll('\u0000', '\\u0000')),
    lines.map(({ fields }) => (fields === null ? null : JSON.stringify(fields))),
  ])
}

const LOGS = `select attempt, time, level, message, fields from tappet.logs where run = $1 order by seq limit 10000`

interface LogRow {
  readonly attempt: number
  readonly time: Date
  readonly level: LogLine['level']
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>> | null
}

export async function logs(pool: Pool, runId: string): Promise<LogLine[]> {
  const rows = await query<LogRow>(pool, 'logs', LOGS, [runId])
  return rows.map(({ time, ...rest }) => ({ runId, time: time.toISOString(), ...rest }))
}

/** Each part by an index that holds such runs only: metrics ask often, and the ledger is long. */
const STATS = `
  select function_id, state, count(*)::int as count from tappet.runs
   where state in ('accepted', 'retrying') or state = 'queued' or state = 'running' or state = 'dead'
      or (finished_at is not null and finished_at > now() - interval '24 h')
   group by function_id, state order by function_id, state`

export async function stats(pool: Pool): Promise<{ functionId: string; state: RunState; count: number }[]> {
  const rows = await query<{ function_id: string; state: RunState; count: number }>(pool, 'stats', STATS)
  return rows.map(({ function_id, state, count }) => ({ functionId: function_id, state, count }))
}
