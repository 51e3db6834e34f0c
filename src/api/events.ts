import * as z from 'zod'
import { TappetError } from '../errors.ts'
import type { AdminDeps } from './deps.ts'
import { cursor, filterOf, filterText, limit } from './input.ts'
import { route } from './route.ts'
import { Count, Event, ListedEvent, ListedRun, next } from './schemas.ts'

export const eventRoutes = [
  route({
    method: 'GET',
    path: '/events',
    scope: 'read',
    tag: 'Events',
    summary: 'Events that a filter selects, newest first.',
    query: z.strictObject({ q: filterText, before: cursor.optional(), limit: limit(500, 50) }),
    answer: z.strictObject({ events: z.array(ListedEvent), next, partial: z.boolean() }),
    async handle({ query: { q, before, limit: most } }, { reader }) {
      const page = {
        filter: filterOf(q, 'events'),
        limit: most,
        ...(before !== undefined && { after: before }),
      }
      const { found, next: after, partial } = await reader.searchEvents(page)
      return { events: found, next: after, partial }
    },
  }),
  route({
    method: 'GET',
    path: '/events/count',
    scope: 'read',
    tag: 'Events',
    summary: 'How many events a filter selects.',
    query: z.strictObject({ q: filterText }),
    answer: Count,
    handle: ({ query }, { reader }) => reader.countEvents(filterOf(query.q, 'events')),
  }),
  route({
    method: 'GET',
    path: '/events/:id',
    scope: 'read',
    tag: 'Events',
    summary: 'An event with its payload and the runs that it made.',
    answer: z.strictObject({ event: Event, ledgerId: z.string(), runs: z.array(ListedRun) }),
    handle: ({ params }, deps) => showEvent(params.id ?? '', deps),
  }),
]

async function showEvent(id: string, { store, reader }: AdminDeps): Promise<object> {
  const found = /^\w{1,100}$/.test(id) ? await store.event(id) : null
  if (!found) throw new TappetError('TPT_NOT_FOUND', `there is no event ${JSON.stringify(id.slice(0, 100))}`)
  const runs = await reader.runs({ filter: filterOf(`event:${id}`, 'runs'), limit: 500 })
  return { event: { ...found.envelope, receivedAt: found.receivedAt }, ledgerId: id, runs }
}
