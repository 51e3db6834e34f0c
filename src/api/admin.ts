import { recordChanges } from './audit.ts'
import type { AdminDeps } from './deps.ts'
import { registerHealthRoutes } from './health.ts'
import { registerLambdaRoutes } from './lambda/routes.ts'
import { mount } from './route.ts'
import { ROUTES } from './routes.ts'
import { showOutcome } from './runs.ts'

/** The routes for people and the command line, each with the scope that a key must have, and those for health. */
export function registerAdminRoutes(deps: AdminDeps): void {
  const { server } = deps
  recordChanges(server, deps.audit, deps.logger)
  registerHealthRoutes(deps)
  registerLambdaRoutes(deps)
  // Who was told a run's id with a 202 may ask for its end: the id cannot be guessed.
  server.get('/_tappet/runs/:id', { config: { scope: 'public' } }, (request) => showOutcome(request, deps))
  mount(ROUTES, deps)
}
