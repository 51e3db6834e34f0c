import { useSignal, useSignalEffect } from '@preact/signals'
import { get } from './api.ts'
import { live, type Loaded } from './live.ts'
import { follow, type Told } from './stream.ts'
import type { Run } from './types.ts'

export interface RunsAnswer {
  readonly runs: readonly Run[]
  readonly next: string | null
  readonly partial?: boolean
}

/** For filters that no stream knows. */
const POLL_MS = 2_000
/** What comes faster is shown together. */
const SHOW_MS = 250
const MAX_PAGE = 500

/** The newest `most` runs of a filter: read once, then told of by a stream while `live` is on. */
export function useRuns(query: () => string, most: () => number): Loaded<RunsAnswer> {
  const value = useSignal<RunsAnswer | null>(null)
  const error = useSignal<Error | null>(null)
  const turn = useSignal(0)
  useSignalEffect(() => {
    void turn.value
    const [q, limit] = [query(), most()]
    let over = false
    const timers: ReturnType<typeof setInterval>[] = []
    const read = (): void => {
      list(q, limit).then(
        (answer) => {
          if (over) return
          value.value = answer
          error.value = null
        },
        (reason: unknown) => {
          if (!over) error.value = reason as Error
        },
      )
    }
    read()
    const poll = (): void => void (over || timers.push(setInterval(() => document.hidden || read(), POLL_MS)))
    const shown = gather((told) => {
      if (!over && value.peek() !== null) value.value = merge(value.peek() ?? NONE, told, limit)
    })
    const stop = live.value
      ? follow(q, { onRuns: shown.add, onReset: read, onRefused: poll })
      : (): void => undefined
    return () => {
      over = true
      stop()
      shown.stop()
      for (const timer of timers) clearInterval(timer)
    }
  })
  return { value, error, again: () => turn.value++ }
}

const NONE: RunsAnswer = { runs: [], next: null }

/** Ids grow with time, so the newest are the greatest. */
function merge({ runs, next, ...rest }: RunsAnswer, told: Told, limit: number): RunsAnswer {
  const byId = new Map([...runs, ...told.runs].map((run) => [run.id, run]))
  for (const id of told.gone) byId.delete(id)
  const sorted = [...byId.values()].sort((a, b) => (a.id < b.id ? 1 : -1))
  const kept = sorted.slice(0, limit)
  const last = kept.at(-1)?.id ?? null
  return { ...rest, runs: kept, next: sorted.length > kept.length || next !== null ? last : null }
}

/** Hands on what was added, together, a moment later; the last word on a run counts. */
function gather(show: (told: Told) => void): { add(told: Told): void; stop(): void } {
  let waiting: Told[] = []
  let timer: ReturnType<typeof setTimeout> | undefined
  const flush = (): void => {
    timer = undefined
    const words = new Map<string, Run | null>()
    for (const { runs, gone } of waiting) {
      for (const run of runs) words.set(run.id, run)
      for (const id of gone) words.set(id, null)
    }
    waiting = []
    const runs = [...words.values()].filter((run) => run !== null)
    show({ runs, gone: [...words].filter(([, run]) => run === null).map(([id]) => id) })
  }
  return {
    add(told) {
      waiting.push(told)
      timer ??= setTimeout(flush, SHOW_MS)
    },
    stop: () => clearTimeout(timer),
  }
}

/** Page after page, from the newest: pages are cut at ids, so they stay where they are. */
async function list(q: string, most: number): Promise<RunsAnswer> {
  const first = await get<RunsAnswer>('/runs', { q, limit: Math.min(MAX_PAGE, most) })
  let { runs, next } = first
  while (runs.length < most && next !== null) {
    const more: RunsAnswer = await get<RunsAnswer>('/runs', { q, limit: MAX_PAGE, before: next })
    runs = [...runs, ...more.runs]
    next = more.next
  }
  return { ...first, runs, next }
}
