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

/** How often a key that is refused at a route is written down again: nobody shall fill the log by asking. */
const REFUSED_AGAIN_MS = 60_000
const MAX_REFUSED = 1_000

/**
 * Writes down each change that somebody's key let in, before it is answered, and what a key was refused for want of a
 * scope, reading included: once a minute for a key and a route. Taking events and files in is no change of this kind:
 * the ledger has those. When it cannot be written down, the answer stands, for the change was made; the log says so.
 */
export function recordChanges(server: HttpServer, audit: Audit, logger: Logger): void {
  server.decorateRequest('auditTarget', null)
  const isNew = atMostOnceIn(REFUSED_AGAIN_MS)
  server.addHook('onSend', async (request, reply, payload) => {
    const { holder, method } = request
    const action = `${method} ${request.routeOptions.url ?? ''}`
    if (!holder || !(request.forbidden ? isNew(`${holder.id} ${action}`) : isChange(request))) return payload
    const entry = {
      ...{ id: newId('aud'), keyId: holder.id, keyName: holder.name },
      ...{ action, target: targetOf(request), status: reply.statusCode },
      address: request.socket.remoteAddress ?? '',
    }
    await audit.record(entry).catch((error: unknown) => {
      logger.error({ ...entry, error: explain(error) }, 'a change is missing in the audit log')
    })
    return payload
  })
}

function isChange({ method, routeOptions }: HttpRequest): boolean {
  const { scope } = routeOptions.config
  return !READS.includes(method) && (scope === 'operate' || scope === 'admin')
}

function atMostOnceIn(ms: number): (what: string) => boolean {
  const last = new Map<string, number>()
  return (what) => {
    const now = performance.now()
    if (now - (last.get(what) ?? -Infinity) < ms) return false
    last.delete(what)
    last.set(what, now)
    if (last.size > MAX_REFUSED) for (const oldest of [...last.keys()].slice(0, 1)) last.delete(oldest)
    return true
  }
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
