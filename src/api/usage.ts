import * as z from 'zod'
import { limit } from './input.ts'
import { route } from './route.ts'
import { count, ms, text } from './schemas.ts'

const Day = z
  .strictObject({
    day: text.describe('UTC, such as 2026-11-26.'),
    functionId: text,
    runs: count,
    attempts: count,
    failed: count.describe('Attempts that failed.'),
    busyMs: ms.describe('How long attempts ran, together.'),
    failedMs: ms.describe('Of that, in attempts that failed.'),
  })
  .meta({ id: 'Usage' })

export const usageRoutes = [
  route({
    method: 'GET',
    path: '/usage',
    scope: 'read',
    tag: 'Usage',
    summary:
      'Runs, attempts and the time they took, by function and the day on which runs began; as far as runs are kept.',
    query: z.strictObject({ days: limit(90, 14) }),
    answer: z.strictObject({ usage: z.array(Day) }),
    handle: async ({ query }, { reader }) => ({ usage: await reader.usage(query.days) }),
  }),
]
