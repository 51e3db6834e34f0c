import { DataStore, ERRORS, Upload } from '@tus/server'
import { toFilename, toKey } from './key.ts'
import type { Receiver } from './put.ts'
import { arriving } from './receive.ts'
import type { Draft, ObjectInfo } from './storage.ts'

/** How long an unfinished upload waits for its next bytes. */
export const DRAFT_IDLE_MS = 24 * 3_600_000

/**
 * Resumable uploads as drafts of the storage. The request that brings the last byte also stores and announces the file,
 * so its answer means what the answer to a PUT means; if it fails, asking for the offset tries again.
 */
export function createTusStore({ storage, intake }: Receiver): DataStore {
  const finish = async (draft: Draft): Promise<void> => {
    let contentType: string
    try {
      contentType = await intake.check(draft)
    } catch (error) {
      if (isRefusal(error)) await draft.abort()
      throw error
    }
    await intake.store(draft, contentType)
  }

  const overrides: Partial<DataStore> = {
    extensions: ['creation', 'creation-with-upload', 'termination', 'expiration'],
    async create(upload) {
      const draft = await storage.create(upload.id, toInfo(upload))
      if (upload.size === 0) await finish(draft)
      return upload
    },
    async write(stream, id) {
      const draft = await storage.open(id)
      if (!draft) return (await offsetOf(id)) ?? 0
      await draft.append(arriving(stream))
      const { size } = draft
      if (size === draft.info.length) await finish(draft)
      return size
    },
    async getUpload(id) {
      const stored = await storage.stat(id)
      if (stored) {
        await intake.ensureAnnounced(stored)
        return toUpload(id, stored, stored.size, new Date())
      }
      const draft = await storage.open(id)
      if (!draft) throw ERRORS.FILE_NOT_FOUND
      if (draft.size === draft.info.length) await finish(draft)
      return toUpload(id, draft.info, draft.size, draft.touchedAt)
    },
    async remove(id) {
      const draft = await storage.open(id)
      if (!draft) throw ERRORS.FILE_NOT_FOUND
      await draft.abort()
    },
    getExpiration: () => DRAFT_IDLE_MS,
    deleteExpired: () => storage.sweep(DRAFT_IDLE_MS),
  }
  const offsetOf = async (id: string): Promise<number | null> => (await storage.stat(id))?.size ?? null
  return Object.assign(new DataStore(), overrides)
}

/** What a client's metadata says, checked: `key` is needed, `filename` is kept, its content type is not believed. */
export function toInfo({ metadata = {}, size }: Pick<Upload, 'metadata' | 'size'>): ObjectInfo {
  const filename = toFilename(metadata['filename'] ?? metadata['name'])
  return { key: toKey(metadata['key'] ?? ''), filename, length: size ?? null, metadata }
}

function toUpload(id: string, { length, metadata }: ObjectInfo, offset: number, touchedAt: Date): Upload {
  return new Upload({
    id,
    offset,
    size: length ?? offset,
    creation_date: touchedAt.toISOString(),
    ...(metadata && { metadata: { ...metadata } }),
  })
}

/** Whether the content itself was refused, so that nothing can become of the draft. */
function isRefusal(error: unknown): boolean {
  return ['TPT_CONTENT_TYPE', 'TPT_EVENT_TOO_LARGE'].includes((error as { code?: string }).code ?? '')
}
