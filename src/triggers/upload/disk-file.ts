import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { TappetError } from '../../errors.ts'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants

/** Opens an ordinary file; null if there is none of that name. A link, a pipe or a folder is none. */
export async function openPlain(path: string, flags: number): Promise<FileHandle | null> {
  // O_NONBLOCK: opening a pipe that somebody put there must not wait for a writer.
  const handle = await open(path, flags | O_NOFOLLOW | O_NONBLOCK).catch((error: NodeJS.ErrnoException) => {
    if (['ENOENT', 'ELOOP', 'EISDIR', 'ENXIO', 'EMLINK'].includes(error.code ?? '')) return null
    throw error
  })
  if (!handle || (await handle.stat()).isFile()) return handle
  await handle.close()
  return null
}

/** Creates a file that must not exist yet. */
export function createNew(path: string): Promise<FileHandle> {
  return open(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600)
}

/** Writes all of a chunk: the system may take a part of it at a time. */
export async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, position + done)
    done += bytesWritten
  }
}

/** Makes names in a folder survive a power cut. Windows has no such thing, and needs none. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(path, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Says TPT_STORAGE_FULL for what the system calls no space, or over the quota. */
export async function withFullDisk<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isFull(error)) throw error
    throw new TappetError('TPT_STORAGE_FULL', 'There is no space left where files are stored.', {
      cause: error,
    })
  }
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')
}
