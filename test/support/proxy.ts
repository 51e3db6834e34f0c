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
  /** As `silence`, and new ones are silent too, until `resume`. */
  stall(): void
  /** New connections pass again; those that were stalled stay so. */
  resume(): void
  /** Each piece of data is passed on so many ms later, and in slices of so many bytes. `null`: as it comes. */
  slow(how: { readonly delayMs: number; readonly sliceBytes: number } | null): void
  /**
   * Of the requests that come from now on, this share is passed on and its answer is lost: the connection is reset when
   * the answer comes. 0: none.
   */
  loseAnswers(share: number, random: () => number): void
  /** How many connections have been made through it. */
  connections(): number
  close(): Promise<void>
}

interface Line {
  readonly client: Socket
  readonly server: Socket
  silent: boolean
  /** The next answer is lost. */
  doomed: boolean
}

/** Stands between a client and its server, and fails when told to. */
export async function startProxy(serverUrl: string): Promise<Proxy> {
  const target = new URL(serverUrl)
  const targetPort = Number(target.port || (target.protocol.startsWith('redis') ? 6379 : 5432))
  const lines = new Set<Line>()
  let count = 0
  let stalled = false
  let slowness: { readonly delayMs: number; readonly sliceBytes: number } | null = null
  let loss = { share: 0, random: () => 1 }

  const slicing = new WeakSet<Socket>()

  const pass = (from: Socket, to: Socket, data: Buffer): void => {
    const how = slowness
    if (how === null) {
      if (!to.write(data)) from.pause()
      return
    }
    from.pause()
    slicing.add(from)
    const slices = Math.ceil(data.length / how.sliceBytes)
    for (let i = 0; i < slices; i++) {
      const slice = data.subarray(i * how.sliceBytes, (i + 1) * how.sliceBytes)
      setTimeout(
        () => {
          if (!to.destroyed) to.write(slice)
          if (i < slices - 1) return
          slicing.delete(from)
          from.resume()
        },
        how.delayMs * Math.min(i + 1, 20),
      )
    }
  }

  const join = (client: Socket): void => {
    count++
    const server = connect(targetPort, target.hostname)
    const line: Line = { client, server, silent: stalled, doomed: false }
    lines.add(line)
    const end = (): void => {
      client.destroy()
      server.destroy()
      lines.delete(line)
    }
    for (const socket of [client, server]) socket.on('error', end).on('close', end).setNoDelay(true)
    // What comes behind slices must not overtake them.
    const resume = (from: Socket): void => void (slicing.has(from) || from.resume())
    client.on('drain', () => resume(server))
    server.on('drain', () => resume(client))
    client.on('data', (data) => {
      if (line.silent) return
      if (loss.share > 0 && loss.random() < loss.share) line.doomed = true
      pass(client, server, data)
    })
    server.on('data', (data) => {
      if (line.silent) return
      if (line.doomed) client.resetAndDestroy()
      else pass(server, client, data)
    })
  }

  let listener = await listen(join, 0)
  const address = listener.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const url = new URL(serverUrl)
  url.hostname = '127.0.0.1'
  url.port = String(port)

  const silence = (): void => {
    for (const line of lines) line.silent = true
  }
  const cut = async (): Promise<void> => {
    const closed = new Promise<unknown>((resolve) => listener.close(resolve))
    for (const { client, server } of lines) for (const socket of [client, server]) socket.destroy()
    await closed
  }
  return {
    url: url.href,
    cut,
    async restore() {
      listener = await listen(join, port)
    },
    silence,
    stall() {
      stalled = true
      silence()
    },
    resume() {
      stalled = false
    },
    slow(how) {
      slowness = how
    },
    loseAnswers(share, random) {
      loss = { share, random }
    },
    connections: () => count,
    close: cut,
  }
}

function listen(onConnection: (socket: Socket) => void, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(onConnection).once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
