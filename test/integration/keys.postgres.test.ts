import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Pool } from 'pg'
import { silentLogger } from '../../src/lib/log.ts'
import { digestOf } from '../../src/lib/secret.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createPostgresKeys } from '../../src/store/postgres/keys.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { conformsToKeys } from '../conformance/keys.ts'
import { testDatabase } from '../support/services.ts'

describe('keys', () => {
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

  conformsToKeys('in Postgres', async () => {
    await pool.query('truncate tappet.keys')
    return createPostgresKeys(pool)
  })

  it('say TPT_UNAVAILABLE when there is no Postgres', async () => {
    const gone = createPool({ url: 'postgres://nobody@127.0.0.1:1/none', logger: silentLogger })
    await assert.rejects(createPostgresKeys(gone).use(digestOf('x')), { code: 'TPT_UNAVAILABLE' })
    await gone.end()
  })
})
