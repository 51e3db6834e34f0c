import type { FastifyInstance } from 'fastify'
import { TappetError } from '../errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Counts bytes of its body until it is answered. @throws TappetError TPT_OVERLOADED */
    holdBytes(bytes: number): void
    heldBytes: number
  }
}

/**
 * Bounds what the bodies of all requests under way hold together, so that more callers than the ledger can serve are sent
 * away instead of filling the memory.
 */
export function addBodyBudget(server: FastifyInstance, maxBytes: number): void {
  let held = 0
  server.decorateRequest('heldBytes', 0)
  server.decorateRequest('holdBytes', function hold(bytes) {
    if (held + bytes > maxBytes)
      throw new TappetError('TPT_OVERLOADED', 'Too much is under way in this process.')
    held += bytes
    this.heldBytes += bytes
  })
  // Also called for callers who went away.
  server.addHook('onResponse', async (request) => {
    held -= request.heldBytes
    request.heldBytes = 0
  })
}
