/** What a call has left open in its process when it has returned. */
export interface LeftOpen {
  /** Begins to watch a call. The returned function says, at its end, what there is now; null for nothing new. */
  watch(call: object, isOnly: () => boolean): () => string | null
}

/** Names of Node's for what goes on by itself. Connections are not among them: they are kept on purpose. */
const KINDS: Readonly<Record<string, string>> = {
  ProcessWrap: 'a child process',
  TCPServerWrap: 'a listening server',
  FSEventWrap: 'a file watcher',
  StatWatcher: 'a file watcher',
  MessagePort: 'a worker thread or port',
}

/** `current` gives the call that is running. Each kind is told once in a process. */
export function createLeftOpen(current: () => object | undefined): LeftOpen {
  const intervals = new WeakMap<object, NodeJS.Timeout[]>()
  const told = new Set<string>()
  keepIntervals((timer) => {
    const call = current()
    if (call) intervals.get(call)?.push(timer)
  })
  return {
    watch(call, isOnly) {
      intervals.set(call, [])
      // With another call beside it, nobody could say whose it is.
      const before = isOnly() ? count() : null
      return () => {
        const found = (intervals.get(call) ?? []).some((timer) => timer.hasRef()) ? ['an interval'] : []
        if (before && isOnly()) found.push(...grown(before, count()))
        const fresh = found.filter((kind) => !told.has(kind))
        for (const kind of fresh) told.add(kind)
        return fresh.length === 0 ? null : fresh.join(', ')
      }
    },
  }
}

type Counts = ReadonlyMap<string, number>

function count(): Counts {
  const counts = new Map<string, number>()
  for (const name of process.getActiveResourcesInfo()) {
    const kind = KINDS[name]
    if (kind !== undefined) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}

function grown(before: Counts, after: Counts): string[] {
  return [...after].filter(([kind, many]) => many > (before.get(kind) ?? 0)).map(([kind]) => kind)
}

function keepIntervals(onSet: (timer: NodeJS.Timeout) => void): void {
  const original = globalThis.setInterval
  const kept = (...args: Parameters<typeof setInterval>): NodeJS.Timeout => {
    const timer = original(...args)
    onSet(timer)
    return timer
  }
  globalThis.setInterval = Object.defineProperties(kept, Object.getOwnPropertyDescriptors(original))
}
