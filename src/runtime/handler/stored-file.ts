import { Readable } from 'node:stream'
import type { StoredFile } from '../../define/context.ts'
import type { HostCalls, HostFile } from '../runtime.ts'

const CHUNK_BYTES = 262_144

/** A stored file as a handler sees it. Each chunk is asked for when the reader wants it. */
export function storedFile(info: HostFile, read: HostCalls['fileRead']): StoredFile {
  const { key, size, contentType, sha256 } = info
  const bytes = async (): Promise<Buffer> => Buffer.concat(await chunks(info, read).toArray())
  return {
    key,
    size,
    contentType,
    sha256,
    stream: () => chunks(info, read),
    bytes,
    text: async () => (await bytes()).toString(),
  }
}

function chunks({ id, size }: HostFile, read: HostCalls['fileRead']): Readable {
  const generate = async function* (): AsyncGenerator<Buffer> {
    for (let start = 0; start < size;) {
      const chunk = await read(id, start, Math.min(start + CHUNK_BYTES, size))
      if (chunk.length === 0) throw new Error(`expected ${size} bytes in the stored file, got ${start}`)
      yield chunk
      start += chunk.length
    }
  }
  return Readable.from(generate(), { objectMode: false })
}
