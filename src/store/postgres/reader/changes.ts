import type { Pool } from 'pg'
import type { ListedRun } from '../../reader.ts'
import { ask, values } from './ask.ts'
import { type ListedRunRow, RUN, toListedRun } from './lists.ts'

/** Each part by an index: this is asked twice a second. */
export async function changedRuns(
  pool: Pool,
  { after, sinceMs }: { readonly after: string; readonly sinceMs: number },
): Promise<{ runs: ListedRun[]; nowMs: number }> {
  const list = values()
  const since = `now() - ${list.bind(sinceMs)}::float8 * interval '1 ms'`
  const text = `
    select ${RUN}, extract(epoch from now())::float8 * 1000 as now_ms from tappet.runs r where r.id in (
      (select id from tappet.runs where id > ${list.bind(after)} order by id desc limit 500)
      union (select id from tappet.runs where finished_at is not null and finished_at > ${since}
              order by finished_at desc limit 500)
      union (select id from tappet.runs where state = 'running' limit 500)
      union (select run from tappet.attempts where fingerprint is not null and finished_at > ${since}
              order by finished_at desc limit 500))`
  const rows = await ask<ListedRunRow & { now_ms: number }>(pool, text, list)
  return { runs: rows.map(toListedRun), nowMs: rows[0]?.now_ms ?? 0 }
}
