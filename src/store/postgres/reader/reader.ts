import type { Pool } from 'pg'
import type { Reader } from '../../reader.ts'
import { chain } from './chain.ts'
import { changedRuns } from './changes.ts'
import { deadGroups, errorGroups } from './groups.ts'
import { countUpTo, listEvents, listLogs, listRuns } from './lists.ts'
import { searchCount, searchEvents, searchRuns } from './search.ts'
import { files } from './files.ts'
import { functionStats, histogram, minutes, queues, versions, workers } from './stats.ts'

/** What people ask the ledger in Postgres. The pool stays its owner's. */
export function createPostgresReader(pool: Pool): Reader {
  return {
    runs: (page) => listRuns(pool, page),
    oldestRuns: (page) => listRuns(pool, page, 'oldest'),
    changedRuns: (since) => changedRuns(pool, since),
    countAll: (filter, most) => countUpTo(pool, filter, most),
    searchRuns: (page) => searchRuns(pool, page),
    searchEvents: (page) => searchEvents(pool, page),
    files: (page) => files(pool, page),
    countRuns: (filter) => searchCount(pool, filter),
    events: (page) => listEvents(pool, page),
    countEvents: (filter) => searchCount(pool, filter),
    logs: (page) => listLogs(pool, page),
    histogram: (filter, range) => histogram(pool, filter, range),
    deadGroups: (functionId) => deadGroups(pool, functionId),
    errorGroups: (range) => errorGroups(pool, range),
    functionStats: () => functionStats(pool),
    minutes: () => minutes(pool),
    queues: () => queues(pool),
    workers: () => workers(pool),
    versions: (functionId) => versions(pool, functionId),
    chain: (runId) => chain(pool, runId),
  }
}
