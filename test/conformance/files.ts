import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { newId } from '../../src/lib/id.ts'
import type { Files, NewFile } from '../../src/triggers/upload/files.ts'

function makeFile(more: Partial<NewFile> = {}): NewFile {
  const known = {
    key: 'a/b.png',
    size: 3,
    contentType: 'image/png',
    sha256: 'f'.repeat(64),
    filename: 'b.png',
  }
  return { id: newId('file'), ...known, ...more }
}

/** What every table of files must do. `makeFiles` gives an empty one. */
export function conformsToFiles(name: string, makeFiles: () => Promise<Files>): void {
  describe(name, () => {
    it('keeps a file', async () => {
      const files = await makeFiles()
      const file = makeFile({ size: 5_000_000_000, filename: null })
      await files.insert(file)
      const record = await files.byId(file.id)
      assert.ok(record?.createdAt instanceof Date)
      assert.deepEqual(record, { ...file, createdAt: record.createdAt, announcedAt: null })
      assert.deepEqual(await files.byKey(file.key), record)
      assert.equal(await files.byId(newId('file')), null)
      assert.equal(await files.byKey('a/b.pn'), null)
    })

    it('leaves a known file as it is', async () => {
      const files = await makeFiles()
      const file = makeFile()
      await files.insert(file)
      await files.markAnnounced(file.id)
      await files.insert({ ...file, key: 'other' })
      const record = await files.byId(file.id)
      assert.equal(record?.key, file.key)
      assert.ok(record?.announcedAt)
    })

    it('finds the version that was stored last, whichever was begun first', async () => {
      const files = await makeFiles()
      const begunFirst = makeFile()
      const begunLast = makeFile()
      await files.insert(begunLast)
      await files.insert(begunFirst)
      assert.equal((await files.byKey(begunFirst.key))?.id, begunFirst.id)
    })

    it('lists what is not announced, page by page', async () => {
      const files = await makeFiles()
      const made = [makeFile(), makeFile(), makeFile()]
      for (const file of made.toReversed()) await files.insert(file)
      const ids = async (after: string, olderThanMs: number, limit: number): Promise<string[]> =>
        (await files.unannounced(after, olderThanMs, limit)).map(({ id }) => id)
      const [first, second, third] = made.map(({ id }) => id) as [string, string, string]
      assert.deepEqual(await ids('', 0, 10), [first, second, third])
      assert.deepEqual(await ids('', 0, 2), [first, second])
      assert.deepEqual(await ids(second, 0, 2), [third])
      assert.deepEqual(await ids('', 60_000, 10), [])
      await files.markAnnounced(second)
      await files.markAnnounced(newId('file'))
      assert.deepEqual(await ids('', 0, 10), [first, third])
    })

    it('tells which ids it does not know', async () => {
      const files = await makeFiles()
      const file = makeFile()
      await files.insert(file)
      const unknown = newId('file')
      assert.deepEqual(await files.missing([file.id, unknown]), [unknown])
      assert.deepEqual(await files.missing([]), [])
    })

    it('takes keys and names of any letters', async () => {
      const files = await makeFiles()
      const key = `${'é'.repeat(255)}👩‍👩‍👧`.slice(0, 256)
      await files.insert(makeFile({ key, filename: `"'$1;--\u{1f600}` }))
      assert.equal((await files.byKey(key))?.filename, `"'$1;--\u{1f600}`)
    })
  })
}
