import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Audit, NewAuditEntry } from '../../src/access/audit.ts'
import { newId } from '../../src/lib/id.ts'
import { eventually } from '../support/eventually.ts'

const makeEntry = (more: Partial<NewAuditEntry> = {}): NewAuditEntry => ({
  ...{ id: newId('aud'), keyId: 'key_1', keyName: `o'neil "1" 👩‍👧` },
  ...{ action: 'POST /runs/:id/cancel', target: 'run_1', status: 200, address: '::1' },
  ...more,
})

/** What every audit log must do. `makeAudit` gives an empty one. */
export function conformsToAudit(name: string, makeAudit: () => Promise<Audit>): void {
  describe(name, () => {
    it('keeps an entry as it was given, with the time', async () => {
      const audit = await makeAudit()
      const entry = makeEntry()
      await audit.record(entry)
      const [kept] = await audit.list(10)
      assert.ok(kept?.at instanceof Date)
      assert.deepEqual(kept, { ...entry, at: kept.at })
    })

    it('lists the newest first, page by page', async () => {
      const audit = await makeAudit()
      const made = [makeEntry(), makeEntry(), makeEntry()]
      for (const entry of made) await audit.record(entry)
      const [first, second, third] = made.map(({ id }) => id)
      const ids = async (limit: number, before?: string) =>
        (await audit.list(limit, before)).map(({ id }) => id)
      assert.deepEqual(await ids(2), [third, second])
      assert.deepEqual(await ids(2, second), [first])
    })

    it('forgets what is older, and no more', async () => {
      const audit = await makeAudit()
      await audit.record(makeEntry())
      assert.equal(await audit.retire(3_600_000), 0)
      assert.equal((await audit.list(10)).length, 1)
      await eventually(async () => (await audit.retire(1)) === 1, 'it to be old')
      assert.deepEqual(await audit.list(10), [])
    })
  })
}
