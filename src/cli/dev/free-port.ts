import { createServer } from 'node:net'

/** The first port from `port` on that can be listened on; `port` itself when the next 50 are taken, too. */
export async function freePort(host: string, port: number): Promise<number> {
  for (let candidate = port; candidate < port + 50 && candidate <= 65_535; candidate++) {
    if (await isFree(host, candidate)) return candidate
  }
  return port
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(true)))
  })
}
