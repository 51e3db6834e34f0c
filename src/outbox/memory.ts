import { pause } from '../lib/service.ts'
import type { Outbox, OutboxRow } from './outbox.ts'
import { createWakeup } from './wakeup.ts'

export interface MemoryOutbox extends Outbox {
  /** As if a transaction had committed them. */
  write(rows: readonly OutboxRow[]): void
}

type Deliver = (rows: readonly OutboxRow[]) => Promise<void>

const MAX_ROWS = 500
const BACK_OFF_MS = 100
const POLL_MS = 500

/** The outbox for tests and for a broker without a database: rows are gone with the process. */
export function createMemoryOutbox({
  database = null,
}: { readonly database?: string | null } = {}): MemoryOutbox {
  const takers = new Map<OutboxRow['kind'], Deliver>()
  const wakeup = createWakeup()
  const stopping = new AbortController()
  let waiting: { readonly row: OutboxRow; readonly since: number }[] = []
  let running: Promise<void> | null = null

  /** One batch of one kind. False when there is nothing that anybody takes. */
  const round = async (): Promise<boolean> => {
    const first = waiting.find(({ row }) => takers.has(row.kind))
    const deliver = first && takers.get(first.row.kind)
    if (!deliver) return false
    const batch = waiting.filter(({ row }) => row.kind === first.row.kind).slice(0, MAX_ROWS)
    try {
      await deliver(batch.map(({ row }) => row))
    } catch {
      await pause(BACK_OFF_MS, stopping.signal)
      return true
    }
    const gone = new Set(batch)
    waiting = waiting.filter((entry) => !gone.has(entry))
    return true
  }
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) if (!(await round())) await wakeup.wait(POLL_MS)
  }

  return {
    database,
    write(rows) {
      const since = performance.now()
      waiting.push(...rows.map((row) => ({ row, since })))
      wakeup.wake()
    },
    take(kind, deliver) {
      takers.set(kind, deliver as Deliver)
      wakeup.wake()
    },
    async start() {
      running ??= run()
    },
    async depth() {
      const [oldest] = waiting
      return { rows: waiting.length, oldestMs: oldest ? performance.now() - oldest.since : 0 }
    },
    health: () => ({ leader: running !== null && !stopping.signal.aborted, echoMs: 0, reconnects: 0 }),
    async stop() {
      stopping.abort()
      wakeup.wake()
      await running
    },
  }
}
