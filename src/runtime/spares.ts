import { FRAME } from './frames.ts'
import { PING } from './pings.ts'
import type { View } from './sandbox/bubblewrap.ts'
import { type RunnerHandlers, type RunnerProcess, startRunner } from './runner-process.ts'

/** Processes that have booted and wait for the function that they will run. */
export interface Spares {
  /** One of them, if there is one; another takes its place soon. */
  take(handlers: RunnerHandlers): RunnerProcess | null
  close(): Promise<void>
}

export interface SparesOptions {
  /** How many. */
  readonly count: number
  readonly cwd: string
  readonly environment: Readonly<Record<string, string>>
  readonly flags: readonly string[]
  readonly memoryMb: number
  readonly maxProcesses: number
  readonly cgroup: string | null
  readonly sandbox: View | null
}

interface Spare {
  readonly process: RunnerProcess
  adopt(handlers: RunnerHandlers): void
}

/** Soon, but not while what has just taken one is starting. */
const REFILL_MS = 50
/** One that ends by itself is not replaced at once: something is wrong with the machine. */
const REFILL_AFTER_LOSS_MS = 1_000

export function createSpares({ count, ...options }: SparesOptions): Spares {
  const waiting: Spare[] = []
  let closed = false
  let timer: NodeJS.Timeout | undefined

  const fill = (): void => {
    const missing = closed ? 0 : count - waiting.length
    for (let left = missing; left > 0; left--) {
      const spare = openSpare(options)
      waiting.push(spare)
      void spare.process.exited.then(() => {
        const place = waiting.indexOf(spare)
        if (place < 0) return
        waiting.splice(place, 1)
        fillIn(REFILL_AFTER_LOSS_MS)
      })
    }
  }
  const fillIn = (ms: number): void => {
    clearTimeout(timer)
    timer = setTimeout(fill, ms).unref()
  }
  fill()

  return {
    take(handlers) {
      const spare = waiting.shift()
      if (!spare) return null
      fillIn(REFILL_MS)
      spare.adopt(handlers)
      return spare.process
    },
    async close() {
      closed = true
      clearTimeout(timer)
      await Promise.all(
        waiting.splice(0).map(({ process }) => {
          process.hold(true)
          process.kill()
          return process.exited
        }),
      )
    },
  }
}

function openSpare(options: Omit<SparesOptions, 'count'>): Spare {
  let handlers: RunnerHandlers = { onFrame: () => undefined, onOutput: () => undefined }
  const process = startRunner({
    ...options,
    onFrame: (frame) => handlers.onFrame(frame),
    onOutput: (line) => handlers.onOutput(line),
  })
  process.send(FRAME.ping, PING.spare)
  return { process, adopt: (given) => (handlers = given) }
}
