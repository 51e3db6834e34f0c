import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import { Forbidden, type Guard, type Holder } from '../access/guard.ts'
import type { RouteScope, Scope } from '../access/scopes.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a key must have to be let in. Every route says it; one that does not cannot be added. */
    readonly scope?: RouteScope
  }
  interface FastifyRequest {
    /** Whose key it came with; null on public routes. */
    holder: Holder | null
    /** That key does not have the scope. */
    forbidden: boolean
  }
  interface FastifyInstance {
    /** For public routes that show more to some: whether the request has a key with this scope. Never rejects. */
    readonly admits: (request: FastifyRequest, scope: Scope) => Promise<boolean>
  }
}

/** Lets a request reach a route only with a key of the scope that the route names, before anything of it is read. */
export function guardRoutes(server: FastifyInstance, guard: Guard): void {
  const admit = (request: FastifyRequest, scope: Scope): Promise<Holder> => {
    const { authorization } = request.headers
    return guard.admit({ authorization, address: request.socket.remoteAddress ?? '' }, scope)
  }
  const check = async (request: FastifyRequest): Promise<void> => {
    const { scope } = request.routeOptions.config
    if (scope === undefined || scope === 'public') return
    try {
      request.holder = await admit(request, scope)
    } catch (error) {
      if (error instanceof Forbidden) {
        request.holder = error.holder
        request.forbidden = true
      }
      throw error
    }
  }
  server.decorateRequest('holder', null)
  server.decorateRequest('forbidden', false)
  server.decorate('admits', (request: FastifyRequest, scope: Scope) =>
    admit(request, scope).then(
      () => true,
      () => false,
    ),
  )
  // After the route's own: it may look for the key in another place.
  server.addHook('onRoute', (route: RouteOptions) => {
    if (route.config?.scope === undefined)
      throw new Error(`the route ${String(route.method)} ${route.url} does not say which scope it needs`)
    const own = [route.onRequest ?? []].flat()
    if (!own.includes(check)) route.onRequest = [...own, check]
  })
}
