import type { Scope } from './scopes.ts'

/** A key that was issued: all that is known of it. The key itself is kept nowhere. */
export interface Key {
  /** `key_…` */
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[]
  /** By the database's clock. */
  readonly state: 'live' | 'revoked' | 'expired'
  readonly createdAt: Date
  /** Name of the key that made it. */
  readonly createdBy: string
  /** To the minute; null: never. */
  readonly lastUsedAt: Date | null
  /** Null: never. */
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
}

export interface NewKey {
  readonly id: string
  readonly name: string
  /** SHA-256 of the key. */
  readonly digest: Buffer
  readonly scopes: readonly Scope[]
  readonly createdBy: string
  /** From now; null: it does not expire. */
  readonly expiresInMs: number | null
}

/** The ledger's table of keys. Every method rejects with TPT_UNAVAILABLE when the database does not answer. */
export interface Keys {
  create(key: NewKey): Promise<Key>
  /** The key with this digest, whatever its state; a live one counts as used. */
  use(digest: Buffer): Promise<Key | null>
  /** Newest first, only those older than `before`. */
  list(limit: number, before?: string): Promise<readonly Key[]>
  /** From now on it is refused; a revoked one stays as it is. Null: no such key. */
  revoke(id: string): Promise<Key | null>
}

/** How coarse `lastUsedAt` is. */
export const USED_EVERY_MS = 60_000
