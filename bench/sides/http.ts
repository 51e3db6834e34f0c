import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fastify } from 'fastify'
import type { OpenSide } from '../harness/side.ts'
import { loadPeer, peerFile } from '../peers/load.ts'
import { eventually } from '../../test/support/eventually.ts'

/** A handler in the server itself: nothing is kept. */
export const fastifyServer: OpenSide = async () => {
  const app = fastify()
  app.post('/accept', async (_request, reply) => reply.code(202).send({ ok: true }))
  app.post('/wait', async (request) => request.body)
  return { info: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() }
}

/** As people run it: its program, a target, a port. */
export const functionsFramework: OpenSide = async ({ folder }) => {
  await writeFile(join(folder, 'package.json'), '{"type":"commonjs","main":"index.js"}')
  await writeFile(join(folder, 'index.js'), 'exports.echo = (req, res) => { res.json(req.body) }\n')
  const port = await freePort()
  const program = peerFile('@google-cloud/functions-framework/build/src/main.js')
  const child = spawn(process.execPath, [program, '--target=echo', `--source=${folder}`, `--port=${port}`], {
    cwd: folder,
    stdio: 'ignore',
    env: { PATH: process.env.PATH, NODE_ENV: 'production' },
  })
  const url = `http://127.0.0.1:${port}`
  await eventually(() => fetch(url, { method: 'POST' }).then(({ ok }) => ok), 'functions-framework', 30_000)
  return {
    info: url,
    async close() {
      child.kill()
      await once(child, 'exit')
    },
  }
}

interface MiniflareServer {
  readonly ready: Promise<URL>
  dispose(): Promise<void>
}

/** A worker in workerd. */
export const miniflare: OpenSide = async () => {
  const { Miniflare } = await loadPeer<{
    Miniflare: new (options: Readonly<Record<string, unknown>>) => MiniflareServer
  }>('miniflare')
  const server = new Miniflare({
    modules: true,
    script: 'export default { async fetch(request) { return Response.json(await request.json()) } }',
    ...{ host: '127.0.0.1', port: 0, compatibilityDate: '2026-01-01', cf: false },
  })
  return { info: (await server.ready).href, close: () => server.dispose() }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}
