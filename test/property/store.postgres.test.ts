import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { silentLogger } from '../../src/lib/log.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { createPostgresStore } from '../../src/store/postgres/store.ts'
import type { Store } from '../../src/store/store.ts'
import { propertyRuns } from '../support/property.ts'
import { type TestDatabase, testDatabase } from '../support/services.ts'
import { orderProperty } from './ordering.ts'
import { agrees, histories } from './store-commands.ts'
import { createModel } from './store-model.ts'

describe('the Postgres ledger', () => {
  let database: TestDatabase
  let store: Store

  before(async () => {
    database = await testDatabase()
    const client = new pg.Client(database.url)
    await client.connect()
    await migrate(client, 'ledger')
    await client.end()
    store = createPostgresStore(createPool({ url: database.url, logger: silentLogger }))
  })
  after(async () => {
    await store.close()
    await database.drop()
  })

  test('G1, G2, G3: follows the model through random histories', async () => {
    const history = fc.asyncProperty(histories(30), async (commands) => {
      const model = createModel()
      await fc.asyncModelRun(() => ({ model, real: store }), commands)
      for (const run of model.runs) await agrees(run, store)
      // What is left running would be reclaimed by the next history.
      for (const run of model.runs) await store.cancel(run.id)
    })
    await fc.assert(history, propertyRuns())
  })

  test('G5: keeps the order of each key, and never holds a key up, through random histories', async () => {
    await fc.assert(
      orderProperty(() => store),
      propertyRuns(0.4),
    )
  })
})
