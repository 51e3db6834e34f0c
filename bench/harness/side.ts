/** What one turn of a side came to: `count`, and what its group measures, such as `perSecond` and `p50`. */
export type Figures = Readonly<Record<string, number>>

/** What is asked of a side for one turn. */
export interface Load {
  readonly seconds: number
  readonly inFlight: number
  readonly bytes: number
}

/** One side of a comparison, in a process of its own. */
export interface Side {
  /** Told to the harness once it is ready, such as the URL of a server. */
  readonly info?: unknown
  /** Does one, from handing it in to its end: for sides that make their own load. */
  once?(bytes: number): Promise<void>
  close(): Promise<void>
}

export type OpenSide = (options: SideOptions) => Promise<Side>

export interface SideOptions {
  readonly databaseUrl: string
  readonly redisUrl: string
  /** An empty one of its own. */
  readonly folder: string
  readonly [more: string]: string
}

/** As many callers as are in flight, each with one after the other. */
export async function measure(once: () => Promise<void>, { seconds, inFlight }: Load): Promise<Figures> {
  const latencies: number[] = []
  const started = performance.now()
  const until = started + seconds * 1_000
  const caller = async (): Promise<void> => {
    while (performance.now() < until) {
      const begun = performance.now()
      await once()
      latencies.push(performance.now() - begun)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
  const elapsed = (performance.now() - started) / 1_000
  return { count: latencies.length, perSecond: latencies.length / elapsed, ...quantiles(latencies) }
}

export function quantiles(values: readonly number[]): { readonly p50: number; readonly p99: number } {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { p50: at(0.5), p99: at(0.99) }
}

export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}
