import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface TcpProxy {
  readonly port: number
  /** From now on nothing passes, and nobody is told: a half-open connection. */
  stall(): void
  /** New connections pass; those that were stalled stay so. */
  resume(): void
  /** How many connections have been made through it. */
  connections(): number
  close(): Promise<void>
}

/** A line to a server that a test can hold still. */
export async function startProxy(target: {
  readonly host: string
  readonly port: number
}): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let stalled = false
  let count = 0
  const server = createServer((near) => {
    count++
    const far = connect(target.port, target.host)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => to.destroy())
      from.on('close', () => (sockets.delete(from), to.destroy()))
      from.on('data', (data) => void (mute(from) || to.write(data)))
    }
    if (stalled) muted.add(near).add(far)
  })
  const muted = new WeakSet<Socket>()
  const mute = (socket: Socket): boolean => muted.has(socket)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    stall() {
      stalled = true
      for (const socket of sockets) muted.add(socket)
    },
    resume() {
      stalled = false
    },
    connections: () => count,
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => {
        server.close(() => resolve())
      })
    },
  }
}
