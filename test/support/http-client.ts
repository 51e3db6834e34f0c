import { connect } from 'node:net'

/** Sends bytes to a port as they are and collects what comes back until the server closes the connection. */
export function rawExchange(
  port: number,
  parts: readonly (string | Buffer)[],
  timeoutMs = 20_000,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const chunks: Buffer[] = []
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(new Error(`the server did not close within ${timeoutMs} ms`)),
    )
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
    for (const part of parts) socket.write(part)
  })
}
