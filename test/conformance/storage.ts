import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { newId } from '../../src/lib/id.ts'
import type { ByteRange, ObjectInfo, Storage } from '../../src/triggers/upload/storage.ts'

const INFO: ObjectInfo = {
  key: 'a/b.bin',
  filename: 'b.bin',
  length: null,
  metadata: { key: 'a/b.bin', empty: null },
}

const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex')

async function* chunks(...parts: (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const part of parts) yield Buffer.from(part)
}

async function* brokenOff(...parts: string[]): AsyncGenerator<Buffer> {
  yield* chunks(...parts)
  throw new Error('the line broke')
}

/** What every storage must do. `makeStorage` gives an empty one. */
export function conformsToStorage(name: string, makeStorage: () => Promise<Storage>): void {
  const store = async (storage: Storage, content: string | Buffer, id = newId('file')): Promise<string> => {
    const draft = await storage.create(id, INFO)
    await draft.append(chunks(content))
    await draft.commit('text/plain')
    return id
  }
  const contentOf = async (storage: Storage, id: string, range?: ByteRange): Promise<string> =>
    Buffer.concat((await (await storage.read(id, range)).toArray()) as Buffer[]).toString()
  const idsOf = async (storage: Storage): Promise<string[]> => {
    const ids: string[] = []
    for await (const id of storage.ids()) ids.push(id)
    return ids.toSorted()
  }

  describe(name, () => {
    it('keeps what was committed, with all that is known of it', async () => {
      const storage = await makeStorage()
      const id = newId('file')
      const draft = await storage.create(id, INFO)
      await draft.append(chunks('hello ', 'world'))
      assert.equal(draft.size, 11)
      assert.equal(await draft.sha256(), sha256('hello world'))
      const stored = await draft.commit('text/plain')
      const { createdAt, ...rest } = stored
      assert.deepEqual(rest, {
        ...INFO,
        id,
        size: 11,
        sha256: sha256('hello world'),
        contentType: 'text/plain',
      })
      assert.ok(createdAt instanceof Date)
      assert.deepEqual(await storage.stat(id), stored)
      assert.equal(await contentOf(storage, id), 'hello world')
      assert.deepEqual(await idsOf(storage), [id])
    })

    it('shows nothing of a draft', async () => {
      const storage = await makeStorage()
      const id = newId('file')
      const draft = await storage.create(id, INFO)
      await draft.append(chunks('secret'))
      assert.equal(await storage.stat(id), null)
      await assert.rejects(storage.read(id), { code: 'TPT_NOT_FOUND' })
      assert.deepEqual(await idsOf(storage), [])
    })

    it('continues a draft where it was left', async () => {
      const storage = await makeStorage()
      const id = newId('file')
      await (await storage.create(id, { ...INFO, length: 6 })).append(chunks('one'))
      const draft = await storage.open(id)
      assert.equal(draft?.size, 3)
      assert.deepEqual(draft?.info, { ...INFO, length: 6 })
      await draft?.append(chunks('two'))
      assert.equal((await storage.open(id))?.size, 6)
      assert.equal((await draft?.commit('text/plain'))?.sha256, sha256('onetwo'))
      assert.equal(await contentOf(storage, id), 'onetwo')
      assert.equal(await storage.open(id), null)
    })

    it('keeps what came before the sender broke off', async () => {
      const storage = await makeStorage()
      const draft = await storage.create(newId('file'), INFO)
      await assert.rejects(draft.append(brokenOff('half', 'way')), /the line broke/)
      assert.equal((await storage.open(draft.id))?.size, 7)
      await draft.append(chunks('!'))
      assert.equal((await draft.commit('x/y')).sha256, sha256('halfway!'))
    })

    it('gives the first bytes', async () => {
      const storage = await makeStorage()
      const draft = await storage.create(newId('file'), INFO)
      assert.equal((await draft.head(10)).length, 0)
      await draft.append(chunks('0123456789'))
      assert.equal((await draft.head(4)).toString(), '0123')
      assert.equal((await draft.head(100)).toString(), '0123456789')
    })

    it('reads ranges', async () => {
      const storage = await makeStorage()
      const id = await store(storage, '0123456789')
      assert.equal(await contentOf(storage, id, { start: 2, end: 5 }), '234')
      assert.equal(await contentOf(storage, id, { start: 8, end: 100 }), '89')
      assert.equal(await contentOf(storage, id, { start: 4, end: 4 }), '')
      assert.equal(await contentOf(storage, id, { start: 10, end: 20 }), '')
    })

    it('keeps an empty object, and a large one', async () => {
      const storage = await makeStorage()
      const empty = await (await storage.create(newId('file'), INFO)).commit('application/octet-stream')
      assert.equal(empty.size, 0)
      assert.equal(empty.sha256, sha256(''))
      assert.equal(await contentOf(storage, empty.id), '')
      const content = randomBytes(3_000_001)
      const id = await store(storage, content)
      assert.equal((await storage.stat(id))?.sha256, sha256(content))
      assert.equal(
        sha256(Buffer.concat((await (await storage.read(id)).toArray()) as Buffer[])),
        sha256(content),
      )
    })

    it('forgets what was aborted, and an abort after the commit does nothing', async () => {
      const storage = await makeStorage()
      const draft = await storage.create(newId('file'), INFO)
      await draft.append(chunks('x'))
      await draft.abort()
      await draft.abort()
      assert.equal(await storage.open(draft.id), null)
      await assert.rejects(draft.commit('x/y'))
      const kept = await storage.create(newId('file'), INFO)
      await kept.commit('x/y')
      await kept.abort()
      assert.notEqual(await storage.stat(kept.id), null)
    })

    it('never replaces an object or a draft', async () => {
      const storage = await makeStorage()
      const id = await store(storage, 'first')
      await assert.rejects(storage.create(id, INFO))
      const draft = await storage.create(newId('file'), INFO)
      await draft.append(chunks('mine'))
      await assert.rejects(storage.create(draft.id, INFO))
      assert.equal((await storage.open(draft.id))?.size, 4)
      await draft.commit('x/y')
      await assert.rejects(draft.commit('x/y'))
      assert.equal(await contentOf(storage, id), 'first')
      assert.equal(await contentOf(storage, draft.id), 'mine')
    })

    it('knows only ids of its own form', async () => {
      const storage = await makeStorage()
      const strange = [
        '',
        '..',
        '../files',
        'file_',
        `${newId('file')}.json`,
        `${newId('file')}/x`,
        newId('evt'),
        '__proto__',
      ]
      for (const id of strange) {
        assert.equal(await storage.stat(id), null)
        assert.equal(await storage.open(id), null)
        await assert.rejects(storage.read(id), { code: 'TPT_NOT_FOUND' })
        await assert.rejects(storage.create(id, INFO))
        await storage.remove(id)
      }
    })

    it('removes an object', async () => {
      const storage = await makeStorage()
      const id = await store(storage, 'x')
      await storage.remove(id)
      await storage.remove(id)
      assert.equal(await storage.stat(id), null)
      assert.deepEqual(await idsOf(storage), [])
    })

    it('lists drafts, the newest first, and no objects', async () => {
      const storage = await makeStorage()
      assert.deepEqual(await storage.drafts(10), [])
      const ids = [newId('file'), newId('file'), newId('file')]
      for (const id of ids) await storage.create(id, { ...INFO, length: 9 })
      await (await storage.open(ids[1] ?? ''))?.append(chunks('half'))
      await store(storage, 'whole')
      const found = await storage.drafts(2)
      assert.deepEqual(
        found.map(({ id, size, info }) => [id, size, info.key, info.length]),
        [
          [ids[2], 0, INFO.key, 9],
          [ids[1], 4, INFO.key, 9],
        ],
      )
    })

    it('sweeps idle drafts, never objects and never drafts in use', async () => {
      const storage = await makeStorage()
      const id = await store(storage, 'kept')
      const draft = await storage.create(newId('file'), INFO)
      await draft.append(chunks('x'))
      assert.equal(await storage.sweep(60_000), 0)
      assert.equal((await storage.open(draft.id))?.size, 1)
      assert.equal(await storage.sweep(0), 1)
      assert.equal(await storage.open(draft.id), null)
      assert.equal(await contentOf(storage, id), 'kept')
    })

    it('writes many at once', async () => {
      const storage = await makeStorage()
      const contents = Array.from({ length: 20 }, () => randomBytes(100_000))
      const ids = await Promise.all(contents.map((content) => store(storage, content)))
      for (const [i, id] of ids.entries())
        assert.equal((await storage.stat(id))?.sha256, sha256(contents[i]!))
      assert.deepEqual(await idsOf(storage), ids.toSorted())
    })
  })
}
