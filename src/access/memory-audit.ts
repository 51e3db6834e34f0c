import type { Audit, AuditEntry } from './audit.ts'

/** The audit log in memory: held to the same conformance suite as Postgres, gone with the process. For tests. */
export function createMemoryAudit(now: () => Date = () => new Date()): Audit {
  let entries: AuditEntry[] = []
  return {
    async record(entry) {
      entries.push({ ...entry, at: now() })
    },
    async list(limit, before) {
      const older = entries.filter(({ id }) => before === undefined || id < before)
      return older.toSorted((a, b) => (a.id < b.id ? 1 : -1)).slice(0, limit)
    },
    async retire(olderThanMs) {
      const before = entries.length
      entries = entries.filter(({ at }) => now().getTime() - at.getTime() <= olderThanMs)
      return before - entries.length
    },
  }
}
