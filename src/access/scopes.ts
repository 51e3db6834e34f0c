/** What a key may be used for. */
export const SCOPES = ['admin', 'operate', 'read', 'ingest'] as const
export type Scope = (typeof SCOPES)[number]

/** What a route asks for. `public`: nothing, or it proves who is asking in another way, such as a signature. */
export type RouteScope = Scope | 'public'

/** What else a scope allows: who may replay a run has to find it first. */
const INCLUDED: Readonly<Record<Scope, readonly Scope[]>> = {
  admin: ['operate', 'read', 'ingest'],
  operate: ['read'],
  read: [],
  ingest: [],
}

export function allows(held: readonly Scope[], wanted: Scope): boolean {
  return held.some((scope) => scope === wanted || INCLUDED[scope].includes(wanted))
}
