import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { TappetError } from '../errors.ts'
import type { Layout } from './layout.ts'

/** The wanted port; without one the port of last time, so that addresses stay valid, or any free one. */
export async function choosePort({ port: file }: Layout, wanted: number | undefined): Promise<number> {
  if (wanted !== undefined) {
    if ((await listenOn(wanted)) !== null) return wanted
    throw new TappetError(
      'TPT_PORT_TAKEN',
      `the embedded Postgres needs port ${wanted} on 127.0.0.1, which is taken`,
    )
  }
  const last = Number(await readFile(file, 'utf8').catch(() => ''))
  const free =
    (Number.isInteger(last) && last > 0 && last < 65_536 && (await listenOn(last))) || (await listenOn(0))
  if (free) return free
  throw new TappetError('TPT_PORT_TAKEN', 'the embedded Postgres needs a port on 127.0.0.1, but none is free')
}

export async function rememberPort({ port: file }: Layout, port: number): Promise<void> {
  await writeFile(file, `${port}\n`)
}

/** The port when one may listen on it; 0 asks for any. */
function listenOn(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(null))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : null))
    })
  })
}
