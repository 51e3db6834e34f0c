import { silentLogger } from '../../src/lib/log.ts'
import { createPostgresOutbox } from '../../src/outbox/postgres.ts'
import { testOutbox } from '../conformance/outbox.ts'
import { connectClient, writeOutbox } from '../support/outbox.ts'
import { testDatabase } from '../support/services.ts'

testOutbox('postgres outbox', async () => {
  const database = await testDatabase()
  const client = await connectClient(database.url, { outbox: true })
  return {
    outbox: createPostgresOutbox({ url: database.url, database: null, logger: silentLogger }),
    write: (rows) => writeOutbox(client, rows),
    async close() {
      await client.end()
      await database.drop()
    },
  }
})
