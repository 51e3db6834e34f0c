import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface Delivered {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface WebhookServer {
  readonly url: string
  readonly host: string
  /** All that came, refused ones included. */
  readonly delivered: readonly Delivered[]
  /** What the next answers are; then 204. 0: none at all. */
  readonly answers: number[]
  close(): Promise<void>
}

/** Somebody who is told of alerts. */
export async function startWebhookServer(): Promise<WebhookServer> {
  const delivered: Delivered[] = []
  const answers: number[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    delivered.push({ path: request.url ?? '', headers: request.headers, body: await text(request) })
    const status = answers.shift() ?? 204
    if (status > 0) response.writeHead(status).end()
  }
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    ...{ url: `http://${host}`, host, delivered, answers },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
