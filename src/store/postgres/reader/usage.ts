import type { Pool } from 'pg'
import { parseFilter } from '../../../filter/filter.ts'
import type { ListedFile, Usage } from '../../reader.ts'
import { filterSql } from '../filter-sql.ts'
import { ask, values } from './ask.ts'

export function usage(pool: Pool, days: number): Promise<Usage[]> {
  const list = values()
  const text = `
    select to_char(r.created_at at time zone 'UTC', 'YYYY-MM-DD') as day, r.function_id as "functionId",
           count(distinct r.id)::int as runs, count(a.run)::int as attempts,
           (count(*) filter (where a.outcome in ('retry', 'dead')))::int as failed,
           coalesce(sum(extract(epoch from a.finished_at - a.started_at)), 0)::float8 * 1000 as "busyMs",
           coalesce(sum(extract(epoch from a.finished_at - a.started_at))
             filter (where a.outcome in ('retry', 'dead')), 0)::float8 * 1000 as "failedMs"
      from tappet.runs r left join tappet.attempts a on a.run = r.id
     where ${filterSql(parseFilter(`since:${days}d`, 'runs'), list.bind)}
     group by 1, 2 order by 1 desc, 2`
  return ask<Usage>(pool, text, list)
}

export function files(
  pool: Pool,
  { prefix, limit, before }: { readonly prefix: string; readonly limit: number; readonly before?: string },
): Promise<ListedFile[]> {
  const list = values()
  const older = before === undefined ? '' : `and id < ${list.bind(before)}`
  const text = `
    select id, key, size::float8 as size, content_type as "contentType", sha256, filename,
           created_at as "createdAt", announced_at as "announcedAt" from tappet.files
     where starts_with(key, ${list.bind(prefix)}) ${older} order by id desc limit ${list.bind(limit)}`
  return ask<ListedFile>(pool, text, list)
}
