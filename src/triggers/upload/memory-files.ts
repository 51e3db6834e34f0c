import type { FileRecord, Files } from './files.ts'

/** The table of files in memory: held to the same conformance suite as Postgres, gone with the process. For tests. */
export function createMemoryFiles(now: () => Date = () => new Date()): Files {
  // In the order of insertion, which is the order of storing.
  const records = new Map<string, FileRecord>()
  return {
    async insert({ id, key, size, contentType, sha256, filename }) {
      if (records.has(id)) return
      records.set(id, { id, key, size, contentType, sha256, filename, createdAt: now(), announcedAt: null })
    },
    async markAnnounced(id) {
      const record = records.get(id)
      if (record?.announcedAt === null) records.set(id, { ...record, announcedAt: now() })
    },
    async unannounced(after, olderThanMs, limit) {
      const latest = now().getTime() - olderThanMs
      return [...records.values()]
        .filter(
          ({ id, announcedAt, createdAt }) =>
            announcedAt === null && id > after && createdAt.getTime() <= latest,
        )
        .toSorted((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, limit)
    },
    missing: async (ids) => ids.filter((id) => !records.has(id)),
    byKey: async (key) => [...records.values()].findLast((record) => record.key === key) ?? null,
    byId: async (id) => records.get(id) ?? null,
  }
}
