import { type Key, type Keys, type NewKey, USED_EVERY_MS } from './keys.ts'

type Stored = NewKey & Pick<Key, 'createdAt' | 'lastUsedAt' | 'expiresAt' | 'revokedAt'>

/** The table of keys in memory: held to the same conformance suite as Postgres, gone with the process. For tests. */
export function createMemoryKeys(now: () => Date = () => new Date()): Keys {
  const stored = new Map<string, Stored>()
  const change = (key: Stored, more: Partial<Stored>): Key => {
    const changed = { ...key, ...more }
    stored.set(key.id, changed)
    return toKey(changed, now())
  }
  return {
    async create(key) {
      const createdAt = now()
      const expiresAt = key.expiresInMs === null ? null : new Date(createdAt.getTime() + key.expiresInMs)
      return change({ ...key, createdAt, lastUsedAt: null, expiresAt, revokedAt: null }, {})
    },
    async use(digest) {
      const key = [...stored.values()].find((each) => each.digest.equals(digest))
      if (!key) return null
      const known = toKey(key, now())
      const recent = now().getTime() - (key.lastUsedAt?.getTime() ?? 0) < USED_EVERY_MS
      return recent || known.state !== 'live' ? known : change(key, { lastUsedAt: now() })
    },
    async list(limit, before) {
      const older = [...stored.values()].filter(({ id }) => before === undefined || id < before)
      return older
        .toSorted((a, b) => (a.id < b.id ? 1 : -1))
        .slice(0, limit)
        .map((key) => toKey(key, now()))
    },
    async revoke(id) {
      const key = stored.get(id)
      return key ? change(key, { revokedAt: key.revokedAt ?? now() }) : null
    },
  }
}

function toKey(
  { id, name, scopes, createdAt, createdBy, lastUsedAt, expiresAt, revokedAt }: Stored,
  now: Date,
): Key {
  const state = revokedAt ? 'revoked' : expiresAt && expiresAt <= now ? 'expired' : 'live'
  return { id, name, scopes, state, createdAt, createdBy, lastUsedAt, expiresAt, revokedAt }
}
