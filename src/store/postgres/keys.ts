import type { Pool } from 'pg'
import { type Key, type Keys, USED_EVERY_MS } from '../../access/keys.ts'
import type { Scope } from '../../access/scopes.ts'
import { TappetError } from '../../errors.ts'
import { withDeadline } from '../../lib/service.ts'
import { query } from './pool.ts'

interface KeyRow {
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly state: Key['state']
  readonly created_at: Date
  readonly created_by: string
  readonly last_used_at: Date | null
  readonly expires_at: Date | null
  readonly revoked_at: Date | null
}

const DEADLINE_MS = 2_000
const COLUMNS = `id, name, scopes, created_at, created_by, last_used_at, expires_at, revoked_at,
  case when revoked_at is not null then 'revoked' when expires_at <= now() then 'expired' else 'live' end as state`

const CREATE = `
  insert into tappet.keys (id, name, digest, scopes, created_by, expires_at)
  values ($1, $2, $3, $4, $5, now() + $6::float8 * interval '1 ms') returning ${COLUMNS}`

const USE = `
  with used as (
    update tappet.keys set last_used_at = now()
     where digest = $1 and revoked_at is null and (expires_at > now()) is not false
       and (last_used_at < now() - $2 * interval '1 ms') is not false)
  select ${COLUMNS} from tappet.keys where digest = $1`

const LIST = `select ${COLUMNS} from tappet.keys where $2::text is null or id < $2 order by id desc limit $1`

const REVOKE = `
  update tappet.keys set revoked_at = coalesce(revoked_at, now()) where id = $1 returning ${COLUMNS}`

/** The ledger's table of keys. The pool stays its owner's. */
export function createPostgresKeys(pool: Pool): Keys {
  const ask = async (name: string, text: string, values: readonly unknown[]): Promise<Key[]> => {
    const rows = await withDeadline(query<KeyRow>(pool, name, text, values), DEADLINE_MS, tooSlow)
    return rows.map(toKey)
  }
  return {
    async create({ id, name, digest, scopes, createdBy, expiresInMs }) {
      const [key] = await ask('key-create', CREATE, [id, name, digest, scopes, createdBy, expiresInMs])
      if (!key) throw new TappetError('TPT_INTERNAL', 'Postgres did not return the key that it stored.')
      return key
    },
    use: async (digest) => (await ask('key-use', USE, [digest, USED_EVERY_MS]))[0] ?? null,
    list: (limit, before) => ask('key-list', LIST, [limit, before ?? null]),
    revoke: async (id) => (await ask('key-revoke', REVOKE, [id]))[0] ?? null,
  }
}

function tooSlow(): TappetError {
  return new TappetError('TPT_UNAVAILABLE', `Postgres did not answer within ${DEADLINE_MS} ms.`)
}

function toKey(row: KeyRow): Key {
  const { id, name, scopes, state } = row
  return {
    ...{ id, name, scopes, state },
    createdAt: row.created_at,
    createdBy: row.created_by,
    lastUsedAt: row.last_used_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  }
}
