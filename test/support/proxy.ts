import { connect, createServer, type Server, type Socket } from 'node:net'

export interface Proxy {
  /** The server's URL, through the proxy. */
  readonly url: string
  /** Resets all connections, and takes no new ones. */
  cut(): Promise<void>
  /** Takes connections again. */
  restore(): Promise<void>
  /** From now on no byte passes on the connections that are open, and neither side is told. New ones work. */
  silence(): void
  close(): Promise<void>
}

/** Stands between a client and its server, and fails when told to. */
export async function startProxy(serverUrl: string): Promise<Proxy> {
  const target = new URL(serverUrl)
  const pairs = new Set<readonly [Socket, Socket]>()
  const join = (client: Socket): void => {
    const server = connect(Number(target.port), target.hostname)
    const pair = [client, server] as const
    pairs.add(pair)
    const end = (): void => {
      for (const socket of pair) socket.destroy()
      pairs.delete(pair)
    }
    for (const socket of pair) socket.on('error', end).on('close', end)
    client.pipe(server)
    server.pipe(client)
  }
  let listener = await listen(join, 0)
  const address = listener.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const url = new URL(serverUrl)
  url.hostname = '127.0.0.1'
  url.port = String(port)

  const cut = async (): Promise<void> => {
    const closed = new Promise<unknown>((resolve) => listener.close(resolve))
    for (const pair of pairs) for (const socket of pair) socket.destroy()
    await closed
  }
  return {
    url: url.href,
    cut,
    async restore() {
      listener = await listen(join, port)
    },
    silence() {
      for (const [client, server] of pairs) {
        client.unpipe(server).pause()
        server.unpipe(client).pause()
      }
    },
    close: cut,
  }
}

function listen(onConnection: (socket: Socket) => void, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(onConnection).once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
