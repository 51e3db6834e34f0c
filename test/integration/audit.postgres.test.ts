import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Pool } from 'pg'
import { silentLogger } from '../../src/lib/log.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createPostgresAudit } from '../../src/store/postgres/audit.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { conformsToAudit } from '../conformance/audit.ts'
import { testDatabase } from '../support/services.ts'

describe('the audit log', () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  let pool: Pool

  before(async () => {
    database = await testDatabase()
    pool = createPool({ url: database.url, logger: silentLogger })
    const client = await pool.connect()
    await migrate(client, 'ledger').finally(() => client.release())
  })
  after(async () => {
    await pool.end()
    await database.drop()
  })

  conformsToAudit('in Postgres', async () => {
    await pool.query('truncate tappet.audit')
    return createPostgresAudit(pool)
  })

  it('says TPT_UNAVAILABLE when there is no Postgres', async () => {
    const gone = createPool({ url: 'postgres://nobody@127.0.0.1:1/none', logger: silentLogger })
    await assert.rejects(createPostgresAudit(gone).list(1), { code: 'TPT_UNAVAILABLE' })
    await gone.end()
  })
})
