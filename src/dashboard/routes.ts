import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { HttpReply, HttpRequest, HttpServer } from '../api/server.ts'

const FILES = {
  'index.html': 'text/html; charset=utf-8',
  'app.js': 'text/javascript; charset=utf-8',
  'app.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const
type Name = keyof typeof FILES

/** No inline script or style, nothing from elsewhere. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

const FOLDER = fileURLToPath(new URL('./app', import.meta.url))

interface Asset {
  readonly plain: Buffer
  readonly packed: Buffer
  readonly etag: string
}

/**
 * The pages, at `/_tappet/`. They are no secret and hold no data: whoever opens them needs a key to see anything. Addresses in
 * them are relative, so that a proxy may put a path of its own before ours.
 */
export function registerDashboard(server: HttpServer): void {
  const assets = new Map<Name, Promise<Asset>>()
  const assetOf = (name: Name): Promise<Asset> => {
    const known = assets.get(name) ?? readAsset(name)
    assets.set(name, known)
    return known
  }
  const open = { config: { scope: 'public' } } as const
  server.get('/_tappet', open, (_request, reply) => reply.redirect('_tappet/', 308))
  server.get('/_tappet/', open, async (request, reply) =>
    answer(request, reply, 'index.html', await assetOf('index.html')),
  )
  for (const name of ['app.js', 'app.css', 'icon.svg'] as const)
    server.get(`/_tappet/${name}`, open, async (request, reply) =>
      answer(request, reply, name, await assetOf(name)),
    )
}

async function readAsset(name: Name): Promise<Asset> {
  const plain = await readFile(join(FOLDER, name))
  const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 16)}"`
  return { plain, packed: await promisify(gzip)(plain, { level: 9 }), etag }
}

function answer(request: HttpRequest, reply: HttpReply, name: Name, asset: Asset): HttpReply {
  reply
    .header('content-security-policy', POLICY)
    .header('cache-control', 'no-cache')
    .header('etag', asset.etag)
  reply.header('vary', 'accept-encoding')
  if (request.headers['if-none-match'] === asset.etag) return reply.code(304).send()
  reply.type(FILES[name])
  const packs = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')
  return packs ? reply.header('content-encoding', 'gzip').send(asset.packed) : reply.send(asset.plain)
}
