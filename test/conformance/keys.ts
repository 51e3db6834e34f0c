import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Keys, NewKey } from '../../src/access/keys.ts'
import { newId } from '../../src/lib/id.ts'
import { digestOf, newSecret } from '../../src/lib/secret.ts'
import { eventually } from '../support/eventually.ts'

function makeKey(more: Partial<NewKey> = {}): NewKey {
  return {
    ...{ id: newId('key'), name: 'shop', digest: digestOf(newSecret()), scopes: ['ingest'] },
    ...{ createdBy: 'admin', expiresInMs: null },
    ...more,
  }
}

/** What every table of keys must do. `makeKeys` gives an empty one. */
export function conformsToKeys(name: string, makeKeys: () => Promise<Keys>): void {
  describe(name, () => {
    it('finds a key by its digest, and no other', async () => {
      const keys = await makeKeys()
      const key = makeKey({ name: `o'neil "1" 👩‍👧`, scopes: ['operate', 'ingest'] })
      const made = await keys.create(key)
      const { id, name: called, scopes, createdBy } = key
      const { createdAt } = made
      assert.ok(createdAt instanceof Date)
      assert.deepEqual(made, {
        ...{ id, name: called, scopes, createdBy, createdAt, state: 'live' },
        ...{ lastUsedAt: null, expiresAt: null, revokedAt: null },
      })
      assert.equal((await keys.use(key.digest))?.id, id)
      assert.equal(await keys.use(digestOf(newSecret())), null)
    })

    it('remembers about when a key was used', async () => {
      const keys = await makeKeys()
      const [idle, used] = [makeKey(), makeKey()]
      await keys.create(idle)
      await keys.create(used)
      await keys.use(used.digest)
      const at = (await keys.list(10)).map(({ lastUsedAt }) => lastUsedAt)
      assert.ok(at[0] instanceof Date)
      assert.equal(at[1], null)
      await keys.use(used.digest)
      assert.deepEqual((await keys.list(1))[0]?.lastUsedAt, at[0], 'to the minute')
    })

    it('revokes a key for good', async () => {
      const keys = await makeKeys()
      const key = makeKey()
      await keys.create(key)
      const revoked = await keys.revoke(key.id)
      assert.ok(revoked?.revokedAt instanceof Date)
      assert.equal(revoked.state, 'revoked')
      assert.deepEqual(await keys.use(key.digest), revoked)
      assert.deepEqual(await keys.revoke(key.id), revoked)
      assert.equal(await keys.revoke(newId('key')), null)
    })

    it('lets a key expire', async () => {
      const keys = await makeKeys()
      const [soon, late] = [makeKey({ expiresInMs: 1 }), makeKey({ expiresInMs: 3_600_000 })]
      await keys.create(soon)
      const { createdAt, expiresAt } = await keys.create(late)
      assert.equal(Number(expiresAt) - Number(createdAt), 3_600_000)
      await eventually(async () => (await keys.use(soon.digest))?.state === 'expired', 'it to expire')
      assert.equal((await keys.use(late.digest))?.state, 'live')
    })

    it('lists the newest first, page by page', async () => {
      const keys = await makeKeys()
      const made = [makeKey(), makeKey(), makeKey()]
      for (const key of made) await keys.create(key)
      const [first, second, third] = made.map(({ id }) => id)
      const ids = async (limit: number, before?: string) =>
        (await keys.list(limit, before)).map(({ id }) => id)
      assert.deepEqual(await ids(2), [third, second])
      assert.deepEqual(await ids(2, second), [first])
    })
  })
}
