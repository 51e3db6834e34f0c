import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { newId } from '../../src/lib/id.ts'
import { createDiskStorage } from '../../src/triggers/upload/disk-storage.ts'
import type { ObjectInfo } from '../../src/triggers/upload/storage.ts'
import { conformsToStorage } from '../conformance/storage.ts'
import { mountTmpfs, noTmpfs } from '../support/tmpfs.ts'

const INFO: ObjectInfo = { key: 'k', filename: null, length: null, metadata: null }
const folders: string[] = []

const makeFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'tappet-storage-'))
  folders.push(folder)
  return folder
}

after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

async function* bytes(count: number, chunk = 65_536): AsyncGenerator<Buffer> {
  for (let left = count; left > 0; left -= chunk) yield Buffer.alloc(Math.min(left, chunk), 'x')
}

conformsToStorage('storage on the disk', async () => createDiskStorage(await makeFolder()))

describe('a folder of stored files', () => {
  it('is closed to others, and holds our names only', async () => {
    const folder = join(await makeFolder(), 'new', 'deep')
    const storage = await createDiskStorage(folder)
    const draft = await storage.create(newId('file'), { ...INFO, key: '../../evil', filename: '/etc/passwd' })
    assert.deepEqual((await readdir(join(folder, 'drafts'))).toSorted(), [draft.id, `${draft.id}.json`])
    await draft.commit('x/y')
    assert.deepEqual(await readdir(join(folder, 'drafts')), [])
    assert.deepEqual((await readdir(join(folder, 'files'))).toSorted(), [draft.id, `${draft.id}.json`])
    const modeOf = async (path: string): Promise<number> => (await lstat(join(folder, path))).mode & 0o777
    assert.deepEqual(
      await Promise.all(['.', 'drafts', 'files', `files/${draft.id}`, `files/${draft.id}.json`].map(modeOf)),
      [0o700, 0o700, 0o700, 0o600, 0o600],
    )
  })

  it('continues and finishes a draft of an earlier process', async () => {
    const folder = await makeFolder()
    const id = newId('file')
    await (await (await createDiskStorage(folder)).create(id, INFO)).append(bytes(100_000))
    const draft = await (await createDiskStorage(folder)).open(id)
    await draft?.append(bytes(100_000))
    const stored = await draft?.commit('text/plain')
    assert.equal(stored?.size, 200_000)
    assert.equal(
      stored?.sha256,
      execFileSync('sha256sum', [join(folder, 'files', id)])
        .toString()
        .slice(0, 64),
    )
  })

  it('follows no symbolic link, and waits for no pipe', async () => {
    const folder = await makeFolder()
    const storage = await createDiskStorage(folder)
    const secret = join(await makeFolder(), 'secret')
    await writeFile(secret, 'secret')
    const [read, written, pipe] = [newId('file'), newId('file'), newId('file')]
    await symlink(secret, join(folder, 'files', read))
    await writeFile(join(folder, 'files', `${read}.json`), JSON.stringify({ ...INFO, id: read }))
    await assert.rejects(storage.read(read), { code: 'TPT_NOT_FOUND' })
    assert.equal(await storage.stat(read), null)

    await symlink(secret, join(folder, 'drafts', written))
    await writeFile(join(folder, 'drafts', `${written}.json`), JSON.stringify(INFO))
    assert.equal(await storage.open(written), null)
    await assert.rejects(storage.create(written, INFO), { code: 'EEXIST' })

    execFileSync('mkfifo', [join(folder, 'files', pipe)])
    await assert.rejects(storage.read(pipe), { code: 'TPT_NOT_FOUND' })
    assert.equal(await readFile(secret, 'utf8'), 'secret')
    await storage.sweep(0)
    assert.equal(await readFile(secret, 'utf8'), 'secret')
  })

  it('is not made through a link', async () => {
    const folder = await makeFolder()
    await symlink(await makeFolder(), join(folder, 'files'))
    await assert.rejects(createDiskStorage(folder), { code: 'TPT_CONFIG_INVALID' })
  })

  it('does not write over a file that was put in the way of a commit', async () => {
    const folder = await makeFolder()
    const storage = await createDiskStorage(folder)
    const draft = await storage.create(newId('file'), INFO)
    await writeFile(join(folder, 'files', draft.id), 'mine')
    await assert.rejects(draft.commit('x/y'), { code: 'EEXIST' })
    assert.equal(await readFile(join(folder, 'files', draft.id), 'utf8'), 'mine')
    assert.deepEqual(await readdir(join(folder, 'drafts')), [])
  })

  it('recovers from a crash at each step of a commit', async () => {
    const folder = await makeFolder()
    const storage = await createDiskStorage(folder)
    const path = (place: string, id: string): string => join(folder, place, id)
    const begin = async (): Promise<string> => {
      const draft = await storage.create(newId('file'), INFO)
      await draft.append(bytes(10))
      return draft.id
    }
    // Before the link: still a draft, and it can be committed.
    const before = await begin()
    await writeFile(path('drafts', `${before}.commit`), '{"torn')
    await writeFile(path('files', `${before}.json`), '{"torn')
    assert.equal(await storage.stat(before), null)
    await (await storage.open(before))?.commit('x/y')
    assert.equal((await storage.stat(before))?.size, 10)
    // After it: an object, and what is left of the draft goes at the next sweep, however young.
    const later = await begin()
    await writeFile(
      path('files', `${later}.json`),
      JSON.stringify({ ...INFO, id: later, size: 10, createdAt: new Date() }),
    )
    await link(path('drafts', later), path('files', later))
    assert.equal(await storage.open(later), null)
    assert.equal(await storage.sweep(60_000), 1)
    assert.deepEqual(await readdir(join(folder, 'drafts')), [])
    assert.equal((await storage.stat(later))?.size, 10)
  })

  it('sweeps drafts by their last byte, and leaves what is not ours', async () => {
    const folder = await makeFolder()
    const storage = await createDiskStorage(folder)
    const [idle, active] = [
      await storage.create(newId('file'), INFO),
      await storage.create(newId('file'), INFO),
    ]
    const yesterday = new Date(Date.now() - 25 * 3_600_000)
    for (const name of [idle.id, `${idle.id}.json`, `${active.id}.json`])
      await utimes(join(folder, 'drafts', name), yesterday, yesterday)
    await writeFile(join(folder, 'drafts', 'README'), 'x')
    await mkdir(join(folder, 'files', 'lost+found'))
    assert.equal(await storage.sweep(24 * 3_600_000), 1)
    assert.deepEqual((await readdir(join(folder, 'drafts'))).toSorted(), [
      'README',
      active.id,
      `${active.id}.json`,
    ])
  })

  it('sweeps what nobody can go on with sooner than what somebody may', async () => {
    const folder = await makeFolder()
    const storage = await createDiskStorage(folder)
    const [once, resumable, young] = [
      await storage.create(newId('file'), { ...INFO, metadata: null }),
      await storage.create(newId('file'), { ...INFO, metadata: { key: 'a' } }),
      await storage.create(newId('file'), { ...INFO, metadata: null }),
    ]
    const anHourAgo = new Date(Date.now() - 3_600_000)
    for (const { id } of [once, resumable])
      for (const name of [id, `${id}.json`]) await utimes(join(folder, 'drafts', name), anHourAgo, anHourAgo)
    assert.equal(await storage.sweep(24 * 3_600_000, 300_000), 1)
    assert.deepEqual(
      (await readdir(join(folder, 'drafts'))).filter((name) => !name.endsWith('.json')).toSorted(),
      [resumable.id, young.id].toSorted(),
    )
  })

  it('says TPT_STORAGE_FULL on a full disk, and frees what it had taken', async (t) => {
    const disk = await mountTmpfs('1m')
    if (!disk) return t.skip(noTmpfs)
    try {
      const storage = await createDiskStorage(disk.path)
      const draft = await storage.create(newId('file'), INFO)
      await assert.rejects(draft.append(bytes(2_000_000)), { code: 'TPT_STORAGE_FULL' })
      assert.deepEqual(await readdir(join(disk.path, 'drafts')), [])
      const small = await storage.create(newId('file'), INFO)
      await small.append(bytes(500_000))
      assert.equal((await small.commit('x/y')).size, 500_000)
    } finally {
      await disk.unmount()
    }
  })
})
