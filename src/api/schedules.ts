import * as z from 'zod'
import { parseCron } from '../triggers/cron/next.ts'
import type { AdminDeps, Schedule } from './deps.ts'
import { functionName, limit } from './input.ts'
import { route } from './route.ts'
import { Schedule as ScheduleAnswer } from './schemas.ts'

export const scheduleRoutes = [
  route({
    method: 'GET',
    path: '/schedules',
    scope: 'read',
    tag: 'Schedules',
    summary: 'Schedules with their last tick, ticks left out, and the next ones.',
    query: z.strictObject({
      function: functionName.optional(),
      next: limit(100, 1).describe('How many of the next ticks to compute for each. Default 1.'),
    }),
    answer: z.strictObject({ schedules: z.array(ScheduleAnswer) }),
    async handle({ query: { function: functionId, next } }, deps) {
      const all = await wanted(functionId, deps)
      return { schedules: all.map((schedule) => ({ ...schedule, next: nextTicks(schedule, next) })) }
    },
  }),
]

async function wanted(
  functionId: string | undefined,
  { schedules }: AdminDeps,
): Promise<readonly Schedule[]> {
  const all = await schedules.list()
  return functionId === undefined ? all : all.filter((schedule) => schedule.functionId === functionId)
}

function nextTicks({ expression, timezone, nextAt }: Schedule, most: number): Date[] {
  const found: Date[] = []
  if (nextAt === null) return found
  const ticks = parseCron(expression, timezone)
  for (let tick: Date | null = nextAt; tick !== null && found.length < most; tick = ticks.after(tick))
    found.push(tick)
  return found
}
