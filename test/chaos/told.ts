/** What a source was told about one event; a byte each, because there may be a million. */
const OFFERED = 1
const ACKNOWLEDGED = 2
const NEVER = 3

/** What the sources were told, and what the functions did, event by event. An event is `<kind> <number>`. */
export interface Told<Kind extends string = string> {
  readonly kinds: readonly Kind[]
  readonly offered: Record<Kind, number>
  readonly acknowledged: Record<Kind, number>
  /** By what the source got instead of an acknowledgement: a status, or the name of an error. */
  readonly refusals: Map<string, number>
  /** Deliveries of the same event beyond the first. */
  repeats: number
  /** The number of a new event. */
  offer(kind: Kind): number
  acknowledge(kind: Kind, n: number): void
  /** Its transaction is to be rolled back, or it kills its process: it must not complete. */
  forbid(kind: Kind, n: number): void
  refuse(why: string, count?: number): void
  /** A function has run for it. */
  see(kind: string, n: number, runId: string): void
  total(of: 'offered' | 'acknowledged'): number
  /** Acknowledged and not seen yet. */
  waiting(): number
  /** Events that functions ran for, and runs beyond the first of each. */
  ran(): { readonly events: number; readonly again: number }
  /** How often each run has been executed that was more than once. */
  again(): ReadonlyMap<string, number>
  lost(): string[]
  phantoms(): string[]
}

/** @param kinds which ways events come; a kind has at most `events`. */
export function createTold<Kind extends string>(kinds: readonly Kind[], events: number): Told<Kind> {
  const room = events + 100_000
  const each = <T>(make: () => T): Record<Kind, T> =>
    Object.fromEntries(kinds.map((kind) => [kind, make()])) as Record<Kind, T>
  const state = each(() => new Uint8Array(room))
  const seen = each(() => new Uint8Array(room))
  const zero = (): Record<Kind, number> => each(() => 0)
  const [offered, acknowledged] = [zero(), zero()]
  const refusals = new Map<string, number>()
  const executions = new Map<string, number>()
  let [first, again, done] = [0, 0, 0]

  const pick = (wrong: (told: number, times: number) => boolean): string[] =>
    kinds.flatMap((kind) => {
      const found: string[] = []
      for (let n = 0; n < offered[kind]; n++)
        if (wrong(state[kind][n] ?? 0, seen[kind][n] ?? 0)) found.push(`${kind} ${n}`)
      return found
    })
  const total = (of: 'offered' | 'acknowledged'): number =>
    kinds.reduce((sum, kind) => sum + (of === 'offered' ? offered : acknowledged)[kind], 0)
  return {
    ...{ kinds, offered, acknowledged, refusals, repeats: 0, total },
    offer(kind) {
      const n = offered[kind]++
      state[kind][n] = OFFERED
      return n
    },
    acknowledge(kind, n) {
      acknowledged[kind]++
      state[kind][n] = ACKNOWLEDGED
      if ((seen[kind][n] ?? 0) > 0) done++
    },
    forbid(kind, n) {
      state[kind][n] = NEVER
    },
    refuse: (why, count = 1) => void refusals.set(why, (refusals.get(why) ?? 0) + count),
    see(kind, n, runId) {
      if (!(kind in seen)) return
      const times = seen[kind as Kind]
      if (times[n] === 0) {
        first++
        if (state[kind as Kind][n] === ACKNOWLEDGED) done++
      } else {
        again++
        executions.set(runId, (executions.get(runId) ?? 1) + 1)
      }
      times[n] = Math.min(255, (times[n] ?? 0) + 1)
    },
    waiting: () => total('acknowledged') - done,
    ran: () => ({ events: first, again }),
    again: () => executions,
    lost: () => pick((told, times) => told === ACKNOWLEDGED && times === 0),
    phantoms: () => pick((told, times) => told === NEVER && times > 0),
  }
}
