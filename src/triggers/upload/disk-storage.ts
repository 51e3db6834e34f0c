import { constants } from 'node:fs'
import { chmod, lstat, mkdir, opendir, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { TappetError } from '../../errors.ts'
import { createDraft, type Places, readInfo, readObject } from './disk-draft.ts'
import { openPlain, syncFolder, withFullDisk } from './disk-file.ts'
import { type Draft, isObjectId, type Storage } from './storage.ts'

/**
 * File contents in a folder: `drafts/<id>` while they come, `files/<id>` once complete, each with a JSON beside it that
 * tells what it is. Files have our ids as names and are 0600, folders 0700; symbolic links are never followed. One
 * process at a time may add to a draft.
 */
export async function createDiskStorage(folder: string): Promise<Storage> {
  const places = { drafts: join(folder, 'drafts'), files: join(folder, 'files') }
  await withFullDisk(() => makeFolders(folder, places))

  return {
    create: (id, info) =>
      withFullDisk(async () => {
        if (!isObjectId(id))
          throw new Error(`an object's id must be like file_<ulid>, got ${JSON.stringify(id)}`)
        if (await isThere(join(places.files, id))) throw new Error(`${id} is stored already`)
        const draft = createDraft(places, { id, info, size: 0, touchedAt: new Date() })
        await draft.begin()
        return draft
      }),
    async open(id) {
      if (!isObjectId(id) || (await isThere(join(places.files, id)))) return null
      const state = await readInfo(places, id)
      return state && createDraft(places, state)
    },
    drafts: (most) => listDrafts(places, most),
    stat: async (id) => (isObjectId(id) ? readObject(places, id) : null),
    async read(id, range) {
      const handle = isObjectId(id) ? await openPlain(join(places.files, id), constants.O_RDONLY) : null
      if (!handle) throw new TappetError('TPT_NOT_FOUND', `There is no stored object ${id.slice(0, 100)}.`)
      const end = Math.min(range?.end ?? Infinity, (await handle.stat()).size)
      const start = range?.start ?? 0
      if (start < end) return handle.createReadStream({ start, end: end - 1 })
      await handle.close()
      return Readable.from([])
    },
    async *ids() {
      for await (const { name } of await opendir(places.files)) if (isObjectId(name)) yield name
    },
    async remove(id) {
      if (!isObjectId(id)) return
      await rm(join(places.files, id), { force: true })
      await rm(join(places.files, `${id}.json`), { force: true })
      await syncFolder(places.files)
    },
    sweep: (idleMs, onceMs = idleMs) => sweep(places, { idleMs, onceMs }),
  }
}

async function makeFolders(folder: string, { drafts, files }: Places): Promise<void> {
  const first = (await mkdir(folder, { recursive: true, mode: 0o700 })) ?? folder
  for (const path of [drafts, files]) {
    await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
    if (!(await lstat(path)).isDirectory())
      throw new TappetError('TPT_CONFIG_INVALID', `${path}: expected a folder of our own, got something else`)
    await chmod(path, 0o700)
  }
  if ((await lstat(drafts)).dev !== (await lstat(files)).dev)
    throw new TappetError('TPT_CONFIG_INVALID', `${folder}: drafts and files must be on the same file system`)
  for (let path = folder; ; path = dirname(path)) {
    await syncFolder(path)
    if (path === dirname(first) || path === dirname(path)) return
  }
}

/** By their names alone, until there are enough: somebody may have begun thousands. */
async function listDrafts(places: Places, most: number): Promise<readonly Draft[]> {
  const ids = (await readdir(places.drafts)).filter(isObjectId).toSorted().toReversed()
  const found: Draft[] = []
  for (const id of ids) {
    if (found.length === most) break
    const state = (await isThere(join(places.files, id))) ? null : await readInfo(places, id)
    if (state) found.push(createDraft(places, state))
  }
  return found
}

interface Limits {
  readonly idleMs: number
  readonly onceMs: number
}

async function sweep(places: Places, limits: Limits): Promise<number> {
  const ids = new Set<string>()
  for (const name of await readdir(places.drafts)) {
    const [id = ''] = name.split('.', 1)
    if (isObjectId(id)) ids.add(id)
  }
  let removed = 0
  for (const id of ids) if (await sweepOne(places, id, limits)) removed++
  return removed
}

/** A draft whose object is complete is what a crash left between the last two steps of a commit. */
async function sweepOne(places: Places, id: string, { idleMs, onceMs }: Limits): Promise<boolean> {
  const { drafts, files } = places
  const complete = await isThere(join(files, id))
  const idle = await idleSinceMs(drafts, id)
  if (!complete && idle < onceMs) return false
  if (!complete && idle < idleMs && (await readInfo(places, id))?.info.metadata !== null) return false
  for (const suffix of ['', '.json', '.commit']) await rm(join(drafts, id + suffix), { force: true })
  if (!complete) await rm(join(files, `${id}.json`), { force: true })
  return true
}

async function idleSinceMs(drafts: string, id: string): Promise<number> {
  for (const suffix of ['', '.json', '.commit']) {
    const stats = await lstat(join(drafts, id + suffix)).catch(() => null)
    // A file's time is finer than ours: one of just now may look as if it were to come.
    if (stats) return Math.max(0, Date.now() - stats.mtimeMs)
  }
  return 0
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}
