import { writeSync } from 'node:fs'
import { createPool } from '../../src/store/postgres/pool.ts'
import { createPostgresFiles } from '../../src/store/postgres/files.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { createDiskStorage } from '../../src/triggers/upload/disk-storage.ts'
import type { Files } from '../../src/triggers/upload/files.ts'
import { startUploadServer, subscribe } from './upload-server.ts'

// A process to be killed: node upload-child.ts <folder> <database url> <where it hangs: insert, emit or mark>
const [, , folder = '', url = '', where = ''] = process.argv

const hang = (): Promise<never> => {
  writeSync(1, `hangs at ${where}\n`)
  return new Promise(() => undefined)
}

const known = createPostgresFiles(createPool({ url, logger: silentLogger, max: 1 }))
const files: Files = {
  ...known,
  insert: (file) => (where === 'insert' ? hang() : known.insert(file)),
  markAnnounced: (id) => (where === 'mark' ? hang() : known.markAnnounced(id)),
}
const server = await startUploadServer({
  storage: await createDiskStorage(folder),
  files,
  emit: async ({ id }) => {
    if (where === 'emit') return hang()
    writeSync(1, `emitted ${id}\n`)
    return { eventId: 'evt_1', runIds: ['run_1'], duplicate: false }
  },
  subscriptions: [subscribe('docs/index', 'docs/**')],
})
writeSync(1, `listens on ${server.port}\n`)
