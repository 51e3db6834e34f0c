import type { HttpServer } from '../api/server.ts'
import { type LoginLinks, registerLogin } from './login.ts'
import { registerDashboard } from './routes.ts'

/** @param key what a link signs in with; null: there are no links. */
export function registerPages(server: HttpServer, key: string | null): LoginLinks | null {
  registerDashboard(server)
  return key === null ? null : registerLogin(server, key)
}
