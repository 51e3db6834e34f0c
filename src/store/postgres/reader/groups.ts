import type { Pool } from 'pg'
import { normalMessage } from '../../fingerprint.ts'
import type { ErrorGroup } from '../../reader.ts'
import { ask, values } from './ask.ts'

interface GroupRow {
  readonly function_id: string
  readonly fingerprint: string | null
  readonly code: string | null
  readonly message: string | null
  readonly count: number
  readonly first_at: Date
  readonly last_at: Date
  readonly first_version: string | null
  readonly last_version: string | null
  readonly sample: string
}

/** Groups first, over the narrow columns; what a person reads only of the newest of each. */
function groupsSql(source: string): string {
  return `
  with failed as (${source}), grouped as (
    select function_id, fingerprint, count(*)::int as count, min(at) as first_at, max(at) as last_at, max(run) as sample,
           (array_agg(version order by at))[1] as first_version, (array_agg(version order by at desc))[1] as last_version
      from failed group by function_id, fingerprint order by count(*) desc, max(at) desc limit 500
  )
  select g.*, coalesce(tappet.json_text(f.failure, '{code}'), tappet.json_text(f.failure, '{name}')) as code,
         tappet.json_text(f.failure, '{message}') as message
    from grouped g left join lateral (
      select a.failure from tappet.attempts a
       where a.run = g.sample and a.failure is not null order by a.lease desc limit 1) f on true
   order by g.count desc, g.last_at desc`
}

export async function deadGroups(pool: Pool, functionId: string | null): Promise<ErrorGroup[]> {
  const list = values()
  const source = `
    select r.function_id, r.fingerprint, r.finished_at as at, r.id as run, null::text as version
      from tappet.runs r where r.state = 'dead'
       ${functionId === null ? '' : `and r.function_id = ${list.bind(functionId)}`}`
  return (await ask<GroupRow>(pool, groupsSql(source), list)).map(toGroup)
}

export async function errorGroups(
  pool: Pool,
  { sinceMs }: { readonly sinceMs: number },
): Promise<ErrorGroup[]> {
  const list = values()
  const source = `
    select r.function_id, a.fingerprint, a.finished_at as at, a.run, a.version
      from tappet.attempts a join tappet.runs r on r.id = a.run
     where a.fingerprint is not null and a.finished_at > now() - ${list.bind(sinceMs)}::float8 * interval '1 ms'`
  return (await ask<GroupRow>(pool, groupsSql(source), list)).map(toGroup)
}

function toGroup(row: GroupRow): ErrorGroup {
  return {
    functionId: row.function_id,
    fingerprint: row.fingerprint,
    code: row.code ?? 'unknown',
    message: normalMessage({ message: row.message ?? '' }),
    count: row.count,
    firstAt: row.first_at,
    lastAt: row.last_at,
    firstVersion: row.first_version,
    lastVersion: row.last_version,
    sample: row.sample,
  }
}
