import * as z from 'zod'
import type { Audit } from '../access/audit.ts'
import { explain } from '../errors.ts'
import { newId } from '../lib/id.ts'
import type { Logger } from '../lib/log.ts'
import { limit, readQuery } from './input.ts'
import type { HttpRequest, HttpServer } from './server.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What a change was made to, where the route's parameters do not say it. */
    auditTarget: string | null
  }
}

const MAX_TARGET = 300
const READS: readonly string[] = ['GET', 'HEAD', 'OPTIONS']

/**
 * Writes down each change that somebody's key let in, before it is answered. Taking events and files in is no change of
 * this kind: the ledger has those. When it cannot be written down, the answer stands, for the change was made; the log
 * says so.
 */
export function recordChanges(server: HttpServer, audit: Audit, logger: Logger): void {
  server.decorateRequest('auditTarget', null)
  server.addHook('onSend', async (request, reply, payload) => {
    const { holder, method } = request
    const { url = '', config } = request.routeOptions
    const scope = config.scope
    if (!holder || READS.includes(method) || (scope !== 'operate' && scope !== 'admin')) return payload
    const entry = {
      ...{ id: newId('aud'), keyId: holder.id, keyName: holder.name },
      ...{ action: `${method} ${url}`, target: targetOf(request), status: reply.statusCode },
      address: request.socket.remoteAddress ?? '',
    }
    await audit.record(entry).catch((error: unknown) => {
      logger.error({ ...entry, error: explain(error) }, 'a change is missing in the audit log')
    })
    return payload
  })
}

function targetOf({ auditTarget, params }: HttpRequest): string {
  const named = auditTarget ?? Object.values((params ?? {}) as Record<string, string>).join('/')
  return Buffer.from(named.slice(0, MAX_TARGET)).toString().replaceAll('\u0000', '\ufffd')
}

const Page = z.strictObject({
  before: z.string().startsWith('aud_', 'must be the id of an entry').max(100).regex(/^\w+$/).optional(),
  limit: limit(500, 100),
})

/** Newest first. `next` is the `before` of the page after this one; null at the end. */
export async function listAudit(request: HttpRequest, { audit }: { readonly audit: Audit }): Promise<object> {
  const { before, limit: most } = readQuery(request, Page)
  const entries = await audit.list(most, before)
  return { entries, next: entries.length === most ? (entries.at(-1)?.id ?? null) : null }
}
