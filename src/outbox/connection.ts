import { Socket } from 'node:net'
import { Client, type ClientConfig } from 'pg'
import { pause } from '../lib/service.ts'

export interface Connection {
  readonly client: Client
  /** Says goodbye, and cuts the line if nobody answers. Never rejects; idempotent. */
  close(): Promise<void>
}

const CONNECT_MS = 10_000
/** Longer than any `statement_timeout` of ours: only a server that is gone takes so long. */
const ANSWER_MS = 40_000
const GOODBYE_MS = 1_000

/** Where to, in what name, and over a socket that we can cut ourselves: a dead peer never answers a goodbye. */
export function connectionConfig(url: string, name: string): { config: ClientConfig; cut: () => void } {
  const sockets = new Set<Socket>()
  const stream = (): Socket => {
    const socket = new Socket()
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    return socket
  }
  const config: ClientConfig = {
    connectionString: url,
    application_name: `tappet ${name}`,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    stream,
  }
  return { config, cut: () => sockets.forEach((socket) => socket.destroy()) }
}

/** A connection of its own, outside any pool: for session locks and settings. Queries reject once it is lost. */
export async function connect(url: string, name: string): Promise<Connection> {
  const { config, cut } = connectionConfig(url, name)
  const client = new Client({ ...config, query_timeout: ANSWER_MS })
  // What is lost shows at the next query; without a listener it would end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (error) {
    cut()
    throw error
  }
  return {
    client,
    async close() {
      const ended = client.end().catch(() => undefined)
      await Promise.race([ended, pause(GOODBYE_MS)])
      cut()
    },
  }
}
