/** Settles as `work` does, or rejects with `makeError()` after `ms`. The work goes on; its later outcome is dropped. */
export async function withDeadline<T>(work: Promise<T>, ms: number, makeError: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(makeError()), ms)
  })
  try {
    return await Promise.race([work, deadline])
  } finally {
    clearTimeout(timer)
    work.catch(() => undefined)
  }
}

/** Resolves after `ms`, or at once when `signal` aborts. Does not keep the process alive. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    timer.unref()
    signal?.addEventListener('abort', done, { once: true })
  })
}

export interface Loop {
  /** Runs the body soon, or once more if it is running now. */
  wake(): void
  /** Resolves when the body runs no more. Idempotent. */
  stop(): Promise<void>
}

export interface LoopOptions {
  readonly everyMs: number
  readonly onError: (error: unknown) => void
}

/**
 * Repeats `body`, `everyMs` after it ended, or sooner when woken; never twice at once. What it throws goes to
 * `onError`, and it goes on.
 */
export function startLoop(
  body: (signal: AbortSignal) => Promise<void>,
  { everyMs, onError }: LoopOptions,
): Loop {
  const stopping = new AbortController()
  let sleeping: AbortController | null = null
  let woken = true
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      if (!woken) {
        sleeping = new AbortController()
        await pause(everyMs, sleeping.signal)
        sleeping = null
        if (stopping.signal.aborted) return
      }
      woken = false
      await body(stopping.signal).catch(onError)
    }
  }
  const running = run()
  const wake = (): void => {
    woken = true
    sleeping?.abort()
  }
  return {
    wake,
    stop() {
      stopping.abort()
      wake()
      return running
    },
  }
}
