import { request } from 'node:http'
import type { Answer } from './answer.ts'
import type { EventRequest } from './event-request.ts'
import type { Server } from './server.ts'

export class TooLarge extends Error {}

/** One request on a connection of its own: a server that keeps them may close one just when it is used again. */
export function post(
  { host, port }: Pick<Server, 'host' | 'port'>,
  path: string,
  { headers, body }: EventRequest,
  { maxBytes, signal }: { readonly maxBytes: number; readonly signal: AbortSignal },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host, port, path, method: 'POST', headers, agent: false, signal }
    const outgoing = request(options, (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes <= maxBytes) return
        reject(new TooLarge())
        outgoing.destroy()
      })
      response.once('error', reject)
      response.once('end', () => {
        const { statusCode: status = 0, headers: got, rawHeaders } = response
        resolve({ status, headers: got, rawHeaders, body: Buffer.concat(chunks) })
      })
    })
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}
