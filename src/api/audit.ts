import * as z from 'zod'
import type { Audit } from '../access/audit.ts'
import { explain } from '../errors.ts'
import { newId } from '../lib/id.ts'
import type { Logger } from '../lib/log.ts'
import { limit } from './input.ts'
import { route } from './route.ts'
import { next, text, time } from './schemas.ts'
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

const Entry = z
  .strictObject({
    id: text,
    at: time,
    keyId: text,
    keyName: text,
    action: text,
    target: text,
    status: z.int(),
    address: text,
  })
  .meta({ id: 'AuditEntry' })

export const auditRoutes = [
  route({
    method: 'GET',
    path: '/audit',
    scope: 'admin',
    tag: 'Audit',
    summary: 'Changes through this API, newest first: whose key, what, on what, how it was answered.',
    query: Page,
    answer: z.strictObject({ entries: z.array(Entry), next }),
    async handle({ query: { before, limit: most } }, { audit }) {
      const entries = await audit.list(most, before)
      return { entries, next: entries.length === most ? (entries.at(-1)?.id ?? null) : null }
    },
  }),
]
