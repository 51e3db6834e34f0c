import pg from 'pg'
import { newId } from '../../src/lib/id.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { createPostgresSchedules } from '../../src/store/postgres/schedules.ts'
import { schedulesConformance } from '../conformance/schedules.ts'
import { testDatabase } from '../support/services.ts'

schedulesConformance('schedules in Postgres', async () => {
  const database = await testDatabase()
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  await migrate(client, 'ledger')
  const pool = createPool({ url: database.url, logger: silentLogger })
  return {
    schedules: createPostgresSchedules(pool),
    async now() {
      const { rows } = await client.query<{ now: Date }>('select clock_timestamp() as now')
      return rows[0]?.now ?? new Date(NaN)
    },
    /** The server's clock is not ours to move: what is stored gets so much older. */
    async pass(ms) {
      await client.query(
        `update tappet.schedules set next_at = next_at - $1 * interval '1 ms', served_at = served_at - $1 * interval '1 ms'`,
        [ms],
      )
    },
    async addRun(functionId, index, state) {
      await client.query(
        'insert into tappet.runs (id, event, function_id, trigger, state, max_attempts) values ($1, $2, $3, $4, $5, 1)',
        [newId('run'), newId('evt'), functionId, index, state],
      )
    },
    async close() {
      await pool.end()
      await client.end()
      await database.drop()
    },
  }
})
