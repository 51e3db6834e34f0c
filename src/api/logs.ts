import * as z from 'zod'
import { filterOf, filterText, limit } from './input.ts'
import { route } from './route.ts'
import { ListedLog } from './schemas.ts'

const seq = z.string().regex(/^\d{1,18}$/, 'must be the seq of a line')

export const logRoutes = [
  route({
    method: 'GET',
    path: '/logs',
    scope: 'read',
    tag: 'Logs',
    summary:
      'Log lines of all runs that a filter selects: newest first, or with `after` the next ones, oldest first.',
    query: z.strictObject({
      q: filterText,
      before: seq.optional().describe('Only lines before this one.'),
      after: seq.optional().describe('Only lines after this one: for who follows.'),
      limit: limit(1_000, 200),
    }),
    answer: z.strictObject({
      lines: z.array(ListedLog),
      next: z.string().nullable().describe('The `before`, or `after`, of the next page; null at the end.'),
    }),
    async handle({ query: { q, before, after, limit: most } }, { reader }) {
      const lines = await reader.logs({
        ...{ filter: filterOf(q, 'logs'), limit: most },
        ...(before !== undefined && { before }),
        ...(after !== undefined && { after }),
      })
      const last = lines.at(-1)?.seq ?? null
      // Who follows asks again from where it is, whether or not there was more.
      return { lines, next: after !== undefined ? (last ?? after) : lines.length === most ? last : null }
    },
  }),
]
