import type { Pool } from 'pg'
import type { Job } from '../../queue/queue.ts'
import type { Pause } from '../store.ts'
import { query } from './pool.ts'
import { type JobRow, toJob } from './rows.ts'

export async function pause(pool: Pool, functionId: string, by: string): Promise<void> {
  const text = 'insert into tappet.paused (function_id, paused_by) values ($1, $2) on conflict do nothing'
  await query(pool, 'pause', text, [functionId, by])
}

const WAITING = `
  select id, function_id, lease from tappet.runs
   where state = 'queued' and function_id = $1 order by id limit 500`

export async function resume(pool: Pool, functionId: string): Promise<Job[]> {
  await query(pool, 'resume', 'delete from tappet.paused where function_id = $1', [functionId])
  return (await query<JobRow>(pool, 'waiting', WAITING, [functionId])).map(toJob)
}

interface PauseRow {
  readonly function_id: string
  readonly paused_at: Date
  readonly paused_by: string
}

export async function paused(pool: Pool): Promise<Pause[]> {
  const text = 'select function_id, paused_at, paused_by from tappet.paused order by function_id'
  const rows = await query<PauseRow>(pool, 'paused', text)
  return rows.map((row) => ({
    functionId: row.function_id,
    pausedAt: row.paused_at,
    pausedBy: row.paused_by,
  }))
}
