import { createServer, type AddressInfo, connect } from 'node:net'
import { get } from 'node:http'
import type { Child } from '../ndjson/child.ts'
import type { Exit } from '../supervisor/protocol.ts'

/** The server of a function: a process of ours, or somebody's. */
export interface Server {
  readonly host: string
  readonly port: number
  /** SIGTERM, if it is ours. */
  terminate(): void
  kill(): void
  /** When it is gone, or let go of. Never rejects. */
  readonly exited: Promise<Exit>
}

const FIRST_WAIT_MS = 10
const MAX_WAIT_MS = 250

/** A process that has been told its port. */
export function ownServer(child: Child, port: number): Server {
  return { host: '127.0.0.1', port, exited: child.exited, terminate: child.terminate, kill: child.kill }
}

/** One that somebody else runs: it is only let go of. */
export function givenServer(url: string): Server {
  const { hostname, port } = new URL(url)
  let leave: (exit: Exit) => void = () => undefined
  const exited = new Promise<Exit>((resolve) => (leave = resolve))
  const end = (): void => leave({ code: 0, signal: null, error: null, over: null, lastWords: null })
  const host = hostname.replaceAll(/[[\]]/g, '')
  return { host, port: Number(port || '80'), exited, terminate: end, kill: end }
}

/** A port that nobody listens on now. */
export function freePort(): Promise<number> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Asks until it may be asked; false when it may not within `withinMs`, or `signal` aborts. */
export async function untilReady(
  server: Server,
  path: string | null,
  withinMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const deadlineMs = performance.now() + withinMs
  const isReady = path === null ? takesConnections : (at: Server) => answers(at, path)
  for (let waitMs = FIRST_WAIT_MS; !signal.aborted; waitMs = Math.min(waitMs * 1.5, MAX_WAIT_MS)) {
    if (await isReady(server)) return true
    if (performance.now() + waitMs > deadlineMs) return false
    await waited(waitMs, signal)
  }
  return false
}

function takesConnections({ host, port }: Server): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: MAX_WAIT_MS })
    const end = (is: boolean): void => {
      socket.destroy()
      resolve(is)
    }
    // A connection to a port that nobody listens on may find itself.
    socket.once('connect', () => end(socket.localPort !== socket.remotePort))
    socket.once('timeout', () => end(false)).once('error', () => end(false))
  })
}

function answers({ host, port }: Server, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host, port, path, agent: false, timeout: 1_000 }, (response) => {
      response.resume()
      const { statusCode = 0 } = response
      resolve(statusCode >= 200 && statusCode < 300)
    })
    request.once('timeout', () => request.destroy()).once('error', () => resolve(false))
  })
}

function waited(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
