import { writeSync } from 'node:fs'
import { silentLogger } from '../../src/lib/log.ts'
import { createPostgresOutbox } from '../../src/outbox/postgres.ts'

/** Drains a database and writes each row's id to stdout, until it is killed. */
const outbox = createPostgresOutbox({ url: process.argv[2] ?? '', database: null, logger: silentLogger })
outbox.take('message', async (rows) => {
  for (const { uid } of rows) writeSync(1, `${uid}\n`)
})
await outbox.start()
writeSync(1, 'started\n')
