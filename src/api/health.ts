import type { RouteScope } from '../access/scopes.ts'
import { withDeadline } from '../lib/service.ts'
import type { AdminDeps, Check } from './deps.ts'
import type { HttpReply, HttpRequest } from './server.ts'

const CHECKS_DEADLINE_MS = 5_000
const OPEN: Guarded = { config: { scope: 'public' } }
const READING: Guarded = { config: { scope: 'read' } }

interface Guarded {
  readonly config: { readonly scope: RouteScope }
}

/** Routes for orchestrators and scrapers. Strangers learn whether a process works, and no more. */
export function registerHealthRoutes(deps: AdminDeps): void {
  const { server, metrics, store, queue, catalog, openMetrics = false } = deps
  server.get('/healthz', OPEN, async () => ({ status: 'ok' }))
  server.get('/readyz', OPEN, (request, reply) => answerReady(request, reply, deps))
  const scraping = openMetrics ? OPEN : READING
  server.get('/metrics', scraping, async (_request, reply) => {
    const text = await metrics.render({ store, queue, functions: catalog().functions })
    return reply.type(metrics.contentType).send(text)
  })
}

async function answerReady(request: HttpRequest, reply: HttpReply, deps: AdminDeps): Promise<HttpReply> {
  const stopping = deps.stopping?.() ?? false
  const checks = stopping ? [STOPPING] : await runChecks(deps)
  const ready = checks.every(({ ok, advisory }) => ok || advisory)
  const shown = (await deps.server.admits(request, 'read'))
    ? checks
    : checks.map(({ name, ok }) => ({ name, ok }))
  return reply
    .code(ready ? 200 : 503)
    .header('cache-control', 'no-store')
    .send({ status: stopping ? 'stopping' : ready ? 'ready' : 'not ready', checks: shown })
}

const STOPPING: Check = { name: 'process', ok: false, detail: 'stopping' }

async function runChecks({ checks }: AdminDeps): Promise<readonly Check[]> {
  const late = (): Error => new Error(`no answer within ${CHECKS_DEADLINE_MS} ms`)
  return withDeadline(checks(), CHECKS_DEADLINE_MS, late).catch((error: unknown) => [
    { name: 'checks', ok: false, detail: (error as Error).message },
  ])
}
