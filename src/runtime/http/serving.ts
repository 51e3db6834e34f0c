import type { Exit } from '../supervisor/protocol.ts'
import { type Server, untilReady } from './server.ts'

/** The life of one server: opened, ready, gone. */
export interface Serving {
  /** When it may be asked; null when it never may: it is gone, or was late. */
  readonly ready: Promise<Server | null>
  isReady(): boolean
  terminate(): void
  kill(): void
  /** Never rejects. */
  readonly exited: Promise<Exit>
}

export interface ServingOptions {
  readonly open: () => Promise<Server>
  /** See `HttpTarget`. */
  readonly readyPath: string | null
  readonly readyMs: number
  /** It did not get ready in time; it is killed. */
  readonly onLate: () => void
}

const NEVER_STARTED: Exit = { code: null, signal: null, error: null, over: null, lastWords: null }

export function openServing({ open, readyPath, readyMs, onLate }: ServingOptions): Serving {
  const over = new AbortController()
  let server: Server | null = null
  let killed = false
  let isReady = false
  const opening = open().then((opened) => {
    server = opened
    if (killed) opened.kill()
    return opened
  })
  const exited = opening.then(
    (opened) => opened.exited,
    (error: Error): Exit => ({ ...NEVER_STARTED, error: error.message }),
  )
  void exited.then(() => over.abort())
  const wait = async (): Promise<Server | null> => {
    const opened = await opening.catch(() => null)
    if (opened === null) return null
    isReady = (await untilReady(opened, readyPath, readyMs, over.signal)) && !over.signal.aborted
    if (isReady) return opened
    if (!over.signal.aborted) onLate()
    opened.kill()
    return null
  }
  return {
    exited,
    ready: wait(),
    isReady: () => isReady,
    terminate: () => server?.terminate(),
    kill() {
      killed = true
      server?.kill()
    },
  }
}
