import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import * as z from 'zod'
import { readJson } from '../api/input.ts'
import type { HttpServer } from '../api/server.ts'
import { TappetError } from '../errors.ts'

const VALID_MS = 10 * 60_000

const Body = z.strictObject({ token: z.string().max(200) })

/**
 * Links that sign a browser in once, within ten minutes: the key itself stands neither in the terminal nor in the browser's
 * history.
 */
export interface LoginLinks {
  /** A token for the next link; it makes the one before it void. */
  next(): string
}

export function registerLogin(server: HttpServer, key: string): LoginLinks {
  let expected: { readonly digest: Buffer; readonly until: number } | null = null
  server.post('/_tappet/login', { config: { scope: 'public' } }, async (request, reply) => {
    const { token } = await readJson(request, Body)
    const good =
      expected !== null &&
      performance.now() < expected.until &&
      timingSafeEqual(digest(token), expected.digest)
    // A guess makes the link void, too: whoever it was for sees that, and nobody guesses twice.
    expected = null
    if (!good) throw new TappetError('TPT_UNAUTHORIZED', 'This link is not valid any more.')
    return reply.header('cache-control', 'no-store').send({ key })
  })
  return {
    next() {
      const token = randomBytes(24).toString('base64url')
      expected = { digest: digest(token), until: performance.now() + VALID_MS }
      return token
    },
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
