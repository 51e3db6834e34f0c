import { createWriteStream } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { OpenSide, Side } from '../harness/side.ts'
import { loadPeer } from '../peers/load.ts'

/** `node:http` into a file, then fsync of the file and of its folder: no less is durable. */
export const rawHttp: OpenSide = async ({ folder }) => {
  let count = 0
  return serve((request, response) => {
    void (async () => {
      const path = join(folder, `upload-${count++}`)
      await pipeline(request, createWriteStream(path, { flush: true }))
      const handle = await open(folder)
      await handle.sync()
      await handle.close()
      response.writeHead(201).end()
    })()
  })
}

interface Tus {
  readonly Server: new (options: { readonly path: string; readonly datastore: unknown }) => {
    handle: RequestListener
  }
}

/** `@tus/server` on `@tus/file-store`, as its README has it: it syncs nothing. */
export const tusFileStore: OpenSide = async ({ folder }) => {
  const { Server } = await loadPeer<Tus>('@tus/server')
  const { FileStore } = await loadPeer<{
    readonly FileStore: new (options: { readonly directory: string }) => unknown
  }>('@tus/file-store')
  const directory = join(folder, 'files')
  await mkdir(directory)
  const server = new Server({ path: '/files', datastore: new FileStore({ directory }) })
  return serve(server.handle.bind(server))
}

async function serve(listener: RequestListener): Promise<Side> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    info: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
