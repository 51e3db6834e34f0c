import * as z from 'zod'
import { TappetError } from '../../errors.ts'
import { filterOf, filterText } from '../input.ts'
import { route } from '../route.ts'
import { unknownTo } from './changes.ts'

export const streamRoutes = [
  route({
    method: 'GET',
    path: '/stream',
    scope: 'read',
    tag: 'Live',
    summary:
      'Server-sent events: `runs` when runs that fit change state, `reset` when something was missed. `Last-Event-ID` resumes.',
    query: z.strictObject({
      q: filterText,
      from: z.string().max(100).optional().describe('As `Last-Event-ID`, for who cannot send that header.'),
    }),
    answer: null,
    async handle({ query: { q, from }, request, reply }, { stream }) {
      const filter = filterOf(q, 'runs')
      const unknown = unknownTo(filter)
      if (unknown !== null) {
        const message = `a stream knows what is in runs themselves, not ${JSON.stringify(unknown)}: ask for the list again`
        throw new TappetError('TPT_FILTER_INVALID', message)
      }
      if (request.method === 'HEAD') return reply.type('text/event-stream').send('')
      const header = request.headers['last-event-id']
      stream.open(request, reply, { filter, from: from ?? (typeof header === 'string' ? header : '') })
      return reply
    },
  }),
]
