import type { Pool } from 'pg'
import { TappetError } from '../../errors.ts'
import { withDeadline } from '../../lib/service.ts'
import type { FileRecord, Files } from '../../triggers/upload/files.ts'
import { query } from './pool.ts'

interface FileRow {
  readonly id: string
  readonly key: string
  readonly size: string
  readonly content_type: string
  readonly sha256: string
  readonly filename: string | null
  readonly created_at: Date
  readonly announced_at: Date | null
}

const DEADLINE_MS = 2_000
const COLUMNS = 'id, key, size, content_type, sha256, filename, created_at, announced_at'

const INSERT = `
  insert into tappet.files (id, key, size, content_type, sha256, filename) values ($1, $2, $3, $4, $5, $6)
  on conflict (id) do nothing`

const MARK_ANNOUNCED = 'update tappet.files set announced_at = now() where id = $1 and announced_at is null'

const UNANNOUNCED = `
  select ${COLUMNS} from tappet.files
   where announced_at is null and id > $1 and created_at <= now() - $2 * interval '1 ms' order by id limit $3`

const MISSING = `
  select id from unnest($1::text[]) as wanted(id)
   where not exists (select from tappet.files f where f.id = wanted.id)`

/** Not by id: that is as old as the upload's beginning, and a resumable one may end after one that began later. */
const BY_KEY = `select ${COLUMNS} from tappet.files where key = $1 order by created_at desc, id desc limit 1`

const BY_ID = `select ${COLUMNS} from tappet.files where id = $1`

/** The ledger's table of files. The pool stays its owner's. */
export function createPostgresFiles(pool: Pool): Files {
  const ask = (name: string, text: string, values: readonly unknown[]): Promise<FileRow[]> =>
    withDeadline(query<FileRow>(pool, name, text, values), DEADLINE_MS, tooSlow)
  const one = async (name: string, text: string, value: string): Promise<FileRecord | null> => {
    const [row] = await ask(name, text, [value])
    return row ? toRecord(row) : null
  }
  return {
    async insert({ id, key, size, contentType, sha256, filename }) {
      await ask('file-insert', INSERT, [id, key, size, contentType, sha256, filename])
    },
    async markAnnounced(id) {
      await ask('file-announced', MARK_ANNOUNCED, [id])
    },
    async unannounced(after, olderThanMs, limit) {
      return (await ask('files-unannounced', UNANNOUNCED, [after, olderThanMs, limit])).map(toRecord)
    },
    async missing(ids) {
      return (await ask('files-missing', MISSING, [ids])).map(({ id }) => id)
    },
    byKey: (key) => one('file-by-key', BY_KEY, key),
    byId: (id) => one('file-by-id', BY_ID, id),
  }
}

function tooSlow(): TappetError {
  return new TappetError('TPT_UNAVAILABLE', `Postgres did not answer within ${DEADLINE_MS} ms.`)
}

function toRecord(row: FileRow): FileRecord {
  const { id, key, sha256, filename } = row
  return {
    ...{ id, key, sha256, filename },
    size: Number(row.size),
    contentType: row.content_type,
    createdAt: row.created_at,
    announcedAt: row.announced_at,
  }
}
