import type { Cli } from './cli.ts'
import { EXIT } from './errors.ts'

interface Stoppable {
  stop(): Promise<void>
}

/** npm sends a signal of its own after the terminal's: both are one Ctrl-C. */
const SAME_SIGNAL_MS = 500

/**
 * Starts something that runs until a signal comes, then stops it cleanly and answers 0. A second signal ends the process
 * at once. A signal during the start stops it as soon as it has started.
 */
export async function runUntilStopped(
  cli: Cli,
  start: (stopping: AbortSignal) => Promise<Stoppable>,
): Promise<number> {
  const stopping = new AbortController()
  const asked = untilAsked(cli).then(() => stopping.abort())
  const app = await start(stopping.signal)
  await asked
  await app.stop()
  return EXIT.ok
}

function untilAsked({ io, note }: Cli): Promise<void> {
  let first: number | null = null
  return new Promise((resolve) => {
    io.onSignal((signal) => {
      if (first === null) {
        first = performance.now()
        note('\ndraining… (again to stop at once)')
        return resolve()
      }
      if (signal === 'SIGINT' && performance.now() - first < SAME_SIGNAL_MS) return
      process.exit(signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated)
    })
  })
}
