import type * as z from 'zod'
import type { Scope } from '../access/scopes.ts'
import { TappetError } from '../errors.ts'
import type { AdminDeps } from './deps.ts'
import { readJson, readQuery } from './input.ts'
import { API } from './paths.ts'
import type { HttpReply, HttpRequest } from './server.ts'

/** What a handler is called with: the parts of the request, checked. */
export interface Call<Query, Body> {
  /** Of the path, decoded, unchecked. `id` may hold slashes where it is a function's. */
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  readonly body: Body
  readonly request: HttpRequest
  readonly reply: HttpReply
}

/** A route of the admin API as its author writes it. */
export interface RouteSpec<Query extends z.ZodType, Body extends z.ZodType> {
  readonly method: 'GET' | 'POST'
  /** Under `/_tappet/api/v1`. `:id` stands for a part of it; of `/functions/:id`, for all parts that follow. */
  readonly path: string
  readonly scope: Scope
  /** The group in the reference. */
  readonly tag: string
  /** One sentence. */
  readonly summary: string
  /** Default: whatever is there is ignored. */
  readonly query?: Query
  readonly body?: Body
  /** The first is usual. Default 200. */
  readonly statuses?: readonly number[]
  /** What the answer is as JSON. Null: no JSON. */
  readonly answer: z.ZodType | null
  readonly handle: (call: Call<z.output<Query>, z.output<Body>>, deps: AdminDeps) => Promise<unknown>
}

/** A line of the route table: server, OpenAPI document and tests are all made from it. */
export interface Route extends Omit<RouteSpec<z.ZodType, z.ZodType>, 'handle' | 'statuses'> {
  readonly statuses: readonly number[]
  readonly answerRequest: (
    request: HttpRequest,
    reply: HttpReply,
    params: Readonly<Record<string, string>>,
    deps: AdminDeps,
  ) => Promise<unknown>
}

export function route<Query extends z.ZodType, Body extends z.ZodType>(spec: RouteSpec<Query, Body>): Route {
  const { handle, query, body, statuses = [200], ...rest } = spec
  return {
    ...rest,
    ...(query && { query }),
    ...(body && { body }),
    statuses,
    async answerRequest(request, reply, params, deps) {
      const checked = {
        query: (query ? readQuery(request, query) : undefined) as z.output<Query>,
        body: (body ? await readJson(request, body) : undefined) as z.output<Body>,
      }
      void reply.code(statuses[0] ?? 200)
      return handle({ ...checked, params, request, reply }, deps)
    },
  }
}

/** Ids of functions hold slashes, and stand in paths as they are: what follows them is told by its end. */
const WILD = '/functions/:id'

/** Adds a table of routes to a server. */
export function mount(routes: readonly Route[], deps: AdminDeps): void {
  for (const one of routes.filter(({ path }) => !path.startsWith(WILD))) {
    deps.server.route({
      ...place(one, one.path),
      handler: (request, reply) =>
        one.answerRequest(request, reply, request.params as Record<string, string>, deps),
    })
  }
  for (const method of ['GET', 'POST'] as const) {
    const wild = routes.filter((one) => one.method === method && one.path.startsWith(WILD))
    const [first] = wild
    if (!first) continue
    if (wild.some(({ scope }) => scope !== first.scope))
      throw new Error(`${method} ${WILD}: one scope for all`)
    deps.server.route({
      ...place(first, '/functions/*'),
      handler: async (request, reply) => {
        const { '*': rest = '' } = request.params as Record<string, string>
        const { found, id } = choose(wild, rest)
        return found.answerRequest(request, reply, { id }, deps)
      },
    })
  }
}

function place(
  { method, scope }: Route,
  path: string,
): {
  method: 'GET' | 'POST'
  url: string
  config: { scope: Scope }
} {
  return { method, url: API + path, config: { scope } }
}

function choose(wild: readonly Route[], rest: string): { readonly found: Route; readonly id: string } {
  const ends = wild.map((one) => ({ found: one, end: one.path.slice(WILD.length) }))
  const fitting = ends
    .filter(({ end }) => rest.endsWith(end) && rest.length > end.length)
    .toSorted((a, b) => b.end.length - a.end.length)
  const [chosen] = fitting
  if (chosen) return { found: chosen.found, id: rest.slice(0, rest.length - chosen.end.length) }
  const expected = ends.map(({ end }) => `functions/<id>${end}`).join(' or ')
  throw new TappetError('TPT_ROUTE_NOT_FOUND', `expected ${expected}, got functions/${rest.slice(0, 200)}`)
}

/** Where Fastify serves a route of the table. */
export function servedAt({ method, path }: Pick<Route, 'method' | 'path'>): string {
  return `${method} ${API}${path.startsWith(WILD) ? '/functions/*' : path}`
}
