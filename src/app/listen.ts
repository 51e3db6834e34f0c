import type { HttpServer } from '../api/server.ts'
import type { Config } from '../config.ts'
import { TappetError } from '../errors.ts'

/** Opens the port, and says under which URL this machine reaches it. */
export async function listen(server: HttpServer, { host, port }: Config): Promise<string> {
  try {
    await server.listen({ host, port })
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EADDRINUSE')
      throw new TappetError('TPT_PORT_TAKEN', `port ${port} of ${host} is taken`, { cause })
    if (code === 'EACCES')
      throw new TappetError('TPT_PORT_TAKEN', `port ${port} of ${host} needs more rights`, { cause })
    throw cause
  }
  const address = server.server.address()
  const bound = typeof address === 'object' && address ? address.port : port
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${bound}`
}

/** Whether nobody but this machine can connect. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}
