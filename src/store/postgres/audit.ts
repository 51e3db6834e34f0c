import type { Pool } from 'pg'
import type { Audit, AuditEntry } from '../../access/audit.ts'
import { TappetError } from '../../errors.ts'
import { withDeadline } from '../../lib/service.ts'
import { query } from './pool.ts'

interface AuditRow {
  readonly id: string
  readonly at: Date
  readonly key_id: string
  readonly key_name: string
  readonly action: string
  readonly target: string
  readonly status: number
  readonly address: string
}

const DEADLINE_MS = 2_000

const RECORD = `
  insert into tappet.audit (id, key_id, key_name, action, target, status, address)
  values ($1, $2, $3, $4, $5, $6, $7)`

const LIST = `
  select id, at, key_id, key_name, action, target, status, address from tappet.audit
   where $2::text is null or id < $2 order by id desc limit $1`

const RETIRE = `
  delete from tappet.audit where id = any (array(
    select id from tappet.audit where at < now() - $1::float8 * interval '1 ms' order by at limit 1000)) returning id`

/** The ledger's audit log. The pool stays its owner's. */
export function createPostgresAudit(pool: Pool): Audit {
  return {
    async record({ id, keyId, keyName, action, target, status, address }) {
      const values = [id, keyId, keyName, action, target, status, address]
      await withDeadline(query(pool, 'audit-record', RECORD, values), DEADLINE_MS, tooSlow)
    },
    async list(limit, before) {
      const asked = query<AuditRow>(pool, 'audit-list', LIST, [limit, before ?? null])
      return (await withDeadline(asked, DEADLINE_MS, tooSlow)).map(toEntry)
    },
    async retire(olderThanMs) {
      let total = 0
      for (;;) {
        const gone = (await query(pool, 'audit-retire', RETIRE, [olderThanMs])).length
        total += gone
        if (gone < 1_000) return total
      }
    },
  }
}

function tooSlow(): TappetError {
  return new TappetError('TPT_UNAVAILABLE', `Postgres did not answer within ${DEADLINE_MS} ms.`)
}

function toEntry({ key_id, key_name, ...row }: AuditRow): AuditEntry {
  return { ...row, keyId: key_id, keyName: key_name }
}
