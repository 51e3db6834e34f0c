import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { TappetError } from '../../errors.ts'
import { type Draft, isObjectId, type ObjectInfo, type Storage, type StoredObject } from './storage.ts'

interface MemoryDraft {
  readonly info: ObjectInfo
  content: Buffer
  touchedAt: Date
}

interface MemoryObject {
  readonly stored: StoredObject
  readonly content: Buffer
}

/** File contents in memory: held to the same conformance suite as the disk, gone with the process. For tests. */
export function createMemoryStorage(now: () => Date = () => new Date()): Storage {
  const drafts = new Map<string, MemoryDraft>()
  const objects = new Map<string, MemoryObject>()
  const commit = (id: string, contentType: string): StoredObject => {
    const { info, content } = known(drafts.get(id), id)
    const sha256 = createHash('sha256').update(content).digest('hex')
    const stored = { ...info, id, size: content.length, sha256, contentType, createdAt: now() }
    objects.set(id, { stored, content })
    drafts.delete(id)
    return stored
  }
  const toDraft = (id: string, draft: MemoryDraft): Draft => ({
    id,
    info: draft.info,
    get size() {
      return draft.content.length
    },
    get touchedAt() {
      return draft.touchedAt
    },
    async append(chunks) {
      known(drafts.get(id), id)
      for await (const chunk of chunks) {
        draft.content = Buffer.concat([draft.content, chunk])
        draft.touchedAt = now()
      }
    },
    head: async (maxBytes) => draft.content.subarray(0, maxBytes),
    sha256: async () => createHash('sha256').update(draft.content).digest('hex'),
    commit: async (contentType) => commit(id, contentType),
    abort: async () => void drafts.delete(id),
  })

  return {
    async create(id, info) {
      if (!isObjectId(id) || drafts.has(id) || objects.has(id)) throw new Error(`${id} cannot be begun`)
      const draft = { info, content: Buffer.alloc(0), touchedAt: now() }
      drafts.set(id, draft)
      return toDraft(id, draft)
    },
    async open(id) {
      const draft = drafts.get(id)
      return draft ? toDraft(id, draft) : null
    },
    drafts: async (most) =>
      [...drafts]
        .toSorted(([a], [b]) => (a < b ? 1 : -1))
        .slice(0, most)
        .map(([id, draft]) => toDraft(id, draft)),
    stat: async (id) => objects.get(id)?.stored ?? null,
    async read(id, range) {
      const { content } = known(objects.get(id), id)
      const part = content.subarray(range?.start ?? 0, range?.end ?? content.length)
      return Readable.from(part.length > 0 ? [part] : [], { objectMode: false })
    },
    async *ids() {
      yield* objects.keys()
    },
    async remove(id) {
      objects.delete(id)
    },
    async sweep(idleMs, onceMs = idleMs) {
      const mostMs = ({ metadata }: ObjectInfo): number => (metadata === null ? onceMs : idleMs)
      const isIdle = ({ touchedAt, info }: MemoryDraft): boolean => +now() - +touchedAt >= mostMs(info)
      const idle = [...drafts].filter(([, draft]) => isIdle(draft))
      for (const [id] of idle) drafts.delete(id)
      return idle.length
    },
  }
}

function known<T>(found: T | undefined, id: string): T {
  if (found === undefined)
    throw new TappetError('TPT_NOT_FOUND', `There is no stored object ${id.slice(0, 100)}.`)
  return found
}
