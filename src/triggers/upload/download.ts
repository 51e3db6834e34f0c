import type { HttpReply, HttpRequest } from '../../api/server.ts'
import { TappetError } from '../../errors.ts'
import type { FileRecord, Files } from './files.ts'
import { keyFromUrl } from './key.ts'
import { UPLOADS_PATH } from './put.ts'
import type { ByteRange, Storage } from './storage.ts'

/** `GET` and `HEAD /_tappet/uploads/<key>`: the newest version, to be saved and never to be run. */
export async function sendFile(
  request: HttpRequest,
  reply: HttpReply,
  { storage, files }: { readonly storage: Storage; readonly files: Files },
): Promise<HttpReply> {
  const key = keyFromUrl(request.raw.url ?? '', UPLOADS_PATH)
  const file = await files.byKey(key)
  if (!file) throw new TappetError('TPT_NOT_FOUND', `There is no file with the key ${JSON.stringify(key)}.`)
  const { headers } = request
  const etag = `"${file.sha256}"`
  const safe = safeHeaders(file, etag)
  if (names(headers['if-none-match'], etag)) return reply.headers(safe).code(304).send()

  const stale = headers['if-range'] !== undefined && headers['if-range'] !== etag
  const range = stale ? null : parseRange(headers.range, file.size)
  if (range === 'unsatisfiable') return reply.code(416).header('content-range', `bytes */${file.size}`).send()
  const { start, end } = range ?? { start: 0, end: file.size }
  const content = request.method === 'HEAD' ? undefined : await storage.read(file.id, { start, end })
  reply.headers(safe).header('content-length', end - start)
  if (range) reply.code(206).header('content-range', `bytes ${start}-${end - 1}/${file.size}`)
  return reply.send(content)
}

/**
 * The single range that a Range header asks for; null for none, for several and for what is no range, which all mean
 * the whole file.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | null {
  const [, first, last] = /^bytes=[ \t]*(\d{0,15})-(\d{0,15})[ \t]*$/i.exec(header ?? '') ?? []
  if (first === undefined || last === undefined || first + last === '') return null
  const range =
    first === ''
      ? { start: Math.max(0, size - Number(last)), end: size }
      : { start: Number(first), end: last === '' ? size : Number(last) + 1 }
  if (first !== '' && last !== '' && range.end <= range.start) return null
  return range.start < size ? { start: range.start, end: Math.min(size, range.end) } : 'unsatisfiable'
}

/** `attachment` with a name, by RFC 6266: plain ASCII for the old, UTF-8 for the others. */
export function contentDisposition(name: string): string {
  const ascii = name.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_')
  const encoded = encodeURIComponent(name).replaceAll(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename="${ascii}"${ascii === name ? '' : `; filename*=UTF-8''${encoded}`}`
}

function safeHeaders(
  { key, filename, contentType, createdAt }: FileRecord,
  etag: string,
): Record<string, string> {
  return {
    etag,
    'content-type': contentType,
    'content-disposition': contentDisposition(filename ?? key.split('/').at(-1) ?? 'file'),
    'last-modified': createdAt.toUTCString(),
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
    'cross-origin-resource-policy': 'same-origin',
  }
}

function names(header: string | undefined, etag: string): boolean {
  const tags = (header ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  return tags.includes('*') || tags.includes(etag)
}
