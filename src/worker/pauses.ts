import type { Store } from '../store/store.ts'

/** Which functions are paused, for those who cannot ask the ledger each time: looked up once a second at most. */
export interface Pauses {
  /** What was known last, when the ledger does not answer. */
  has(functionId: string): Promise<boolean>
}

const KNOWN_MS = 1_000

export function createPauses(store: Pick<Store, 'paused'>): Pauses {
  let known: ReadonlySet<string> = new Set()
  let lookedMs = -Infinity
  let looking: Promise<void> = Promise.resolve()
  const look = async (): Promise<void> => {
    try {
      known = new Set((await store.paused()).map(({ functionId }) => functionId))
    } catch {
      // Requests are answered without the ledger, too.
    }
  }
  return {
    async has(functionId) {
      if (performance.now() - lookedMs >= KNOWN_MS) {
        lookedMs = performance.now()
        looking = look()
      }
      await looking
      return known.has(functionId)
    },
  }
}
