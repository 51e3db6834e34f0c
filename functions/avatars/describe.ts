import { defineFunction, upload } from 'tappet'

/** Reads the size of a new avatar out of its first bytes. */
export default defineFunction(
  { on: upload('avatars/:userId/**', { accept: ['image/*'], maxBytes: 5_000_000 }), timeout: '1m' },
  async ({ data: { key, params, contentType, size } }, ctx) => {
    const file = await ctx.files.open(key)
    const picture = contentType === 'image/png' ? readPngSize(await file.bytes()) : null
    ctx.log.info({ user: params.userId, key, size, ...picture }, 'avatar received')
    return { user: params.userId, contentType, size, ...picture }
  },
)

/** Width and height stand in the first chunk, IHDR: PNG specification, 11.2.2. */
function readPngSize(bytes: Buffer): { width: number; height: number } | null {
  return bytes.length < 24 ? null : { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
}
