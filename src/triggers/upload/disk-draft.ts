import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, link, lstat, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { TappetError } from '../../errors.ts'
import { createNew, openPlain, syncFolder, withFullDisk, writeAll } from './disk-file.ts'
import type { Draft, ObjectInfo, StoredObject } from './storage.ts'

const READ_BYTES = 262_144

export interface Places {
  readonly drafts: string
  readonly files: string
}

export interface DraftState {
  readonly id: string
  readonly info: ObjectInfo
  readonly size: number
  readonly touchedAt: Date
}

export interface DiskDraft extends Draft {
  /** Makes the two files of a new draft. Rejects if the id is in use, and leaves its owner's files alone then. */
  begin(): Promise<void>
}

/**
 * A draft on the disk. It holds no descriptor between calls.
 *
 * Its commit: content fsynced → JSON of the object fsynced and renamed to its place → content linked to its place, which
 * fails if the name is taken → folder fsynced → names of the draft removed. The object exists from the link on, and a
 * crash anywhere leaves either a draft or an object.
 */
export function createDraft(places: Places, state: DraftState): DiskDraft {
  const { id, info } = state
  const content = join(places.drafts, id)
  const hash = createRunningHash()
  let { size, touchedAt } = state
  const abort = (): Promise<void> => removeDraft(content)
  const orAbort = <T>(work: () => Promise<T>): Promise<T> =>
    withFullDisk(work).catch(async (error: unknown) => {
      await abort().catch(() => undefined)
      throw error
    })

  return {
    id,
    info,
    get size() {
      return size
    },
    get touchedAt() {
      return touchedAt
    },
    async begin() {
      await (await createNew(content)).close()
      await orAbort(async () => (await writeNew(`${content}.json`, info)).close())
    },
    append: (chunks) =>
      withContent(content, constants.O_WRONLY, async (handle) => {
        size = (await handle.stat()).size
        for await (const chunk of chunks) {
          await orAbort(() => writeAll(handle, chunk, size))
          hash.add(chunk, size)
          size += chunk.length
          touchedAt = new Date()
        }
      }),
    head: (maxBytes) =>
      withContent(content, constants.O_RDONLY, async (handle) => {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.min(maxBytes, size)), {
          position: 0,
        })
        return buffer.subarray(0, bytesRead)
      }),
    sha256: () => withContent(content, constants.O_RDONLY, (handle) => hash.of(handle)),
    commit: (contentType) =>
      withContent(content, constants.O_RDWR, async (handle) => {
        const sha256 = await hash.of(handle)
        const stored = {
          ...info,
          id,
          size: (await handle.stat()).size,
          sha256,
          contentType,
          createdAt: new Date(),
        }
        await orAbort(async () => {
          await handle.sync()
          await putInPlace(places, stored)
        })
        await syncFolder(places.files)
        await abort()
        return stored
      }),
    abort,
  }
}

/** The draft of this id as it is on the disk; null if it is not there in full. */
export async function readInfo({ drafts }: Places, id: string): Promise<DraftState | null> {
  const info = await readJson<ObjectInfo>(join(drafts, `${id}.json`))
  const stats = await lstat(join(drafts, id)).catch(() => null)
  return info && stats?.isFile() ? { id, info, size: stats.size, touchedAt: stats.mtime } : null
}

/** The object of this id; null if it is not there in full. */
export async function readObject({ files }: Places, id: string): Promise<StoredObject | null> {
  const stats = await lstat(join(files, id)).catch(() => null)
  if (!stats?.isFile()) return null
  const stored = await readJson<Omit<StoredObject, 'createdAt'> & { createdAt: string }>(
    join(files, `${id}.json`),
  )
  return stored && { ...stored, createdAt: new Date(stored.createdAt) }
}

async function withContent<T>(
  path: string,
  flags: number,
  work: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const handle = await openPlain(path, flags)
  if (!handle) throw new TappetError('TPT_NOT_FOUND', 'This upload is over or was removed.')
  try {
    return await work(handle)
  } finally {
    await handle.close()
  }
}

interface RunningHash {
  /** The bytes at `position` of the content. */
  add(chunk: Uint8Array, position: number): void
  /** Lower-case hexadecimal, of all that the file holds: read again if it did not all pass through `add`. */
  of(handle: FileHandle): Promise<string>
}

function createRunningHash(): RunningHash {
  let hash = createHash('sha256')
  let hashed = 0
  return {
    add(chunk, position) {
      if (position !== hashed) return
      hash.update(chunk)
      hashed += chunk.length
    },
    async of(handle) {
      if (hashed !== (await handle.stat()).size) {
        hash = createHash('sha256')
        hashed = 0
        const buffer = Buffer.alloc(READ_BYTES)
        for (let bytesRead = -1; bytesRead !== 0; hashed += bytesRead) {
          ;({ bytesRead } = await handle.read(buffer, { position: hashed }))
          hash.update(buffer.subarray(0, bytesRead))
        }
      }
      return hash.copy().digest('hex')
    },
  }
}

async function putInPlace({ drafts, files }: Places, stored: StoredObject): Promise<void> {
  const { id } = stored
  const prepared = join(drafts, `${id}.commit`)
  await rm(prepared, { force: true })
  const handle = await writeNew(prepared, stored)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(prepared, join(files, `${id}.json`))
  await link(join(drafts, id), join(files, id))
}

async function removeDraft(content: string): Promise<void> {
  for (const suffix of ['', '.json', '.commit']) await rm(content + suffix, { force: true })
}

async function writeNew(path: string, value: object): Promise<FileHandle> {
  const handle = await createNew(path)
  try {
    await handle.writeFile(JSON.stringify(value))
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function readJson<T>(path: string): Promise<T | null> {
  const handle = await openPlain(path, constants.O_RDONLY)
  if (!handle) return null
  try {
    return JSON.parse(await handle.readFile('utf8')) as T
  } catch {
    return null
  } finally {
    await handle.close()
  }
}
