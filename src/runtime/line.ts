export interface Line<Place> {
  /** Resolves when there is a place; null when the signal aborts first, or the line closes. */
  join(alone: boolean, signal: AbortSignal): Promise<Place | null>
  serve(): void
  close(): void
  isEmpty(): boolean
}

interface Waiting<Place> {
  readonly alone: boolean
  readonly resolve: (place: Place | null) => void
  readonly reject: (error: unknown) => void
}

/** First come, first served; but those that want to be alone hold up nobody else, nor the other way round. */
export function createLine<Place>(choose: (alone: boolean) => Place | null): Line<Place> {
  const waiting = new Set<Waiting<Place>>()
  const offer = (next: Waiting<Place>): void => {
    try {
      const place = choose(next.alone)
      if (place && waiting.delete(next)) next.resolve(place)
    } catch (error) {
      waiting.delete(next)
      next.reject(error)
    }
  }
  return {
    join: async (alone, signal) => {
      let leave = (): void => undefined
      try {
        return await new Promise<Place | null>((resolve, reject) => {
          const entry: Waiting<Place> = { alone, resolve, reject }
          leave = () => void (waiting.delete(entry) && resolve(null))
          signal.addEventListener('abort', leave, { once: true })
          waiting.add(entry)
          offer(entry)
        })
      } finally {
        signal.removeEventListener('abort', leave)
      }
    },
    serve() {
      for (const next of waiting) offer(next)
    },
    close() {
      for (const { resolve } of waiting) resolve(null)
      waiting.clear()
    },
    isEmpty: () => waiting.size === 0,
  }
}
