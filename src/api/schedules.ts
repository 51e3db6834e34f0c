import * as z from 'zod'
import type { CronTrigger } from '../triggers/cron/declare.ts'
import { parseCron } from '../triggers/cron/next.ts'
import type { AdminDeps, Schedule } from './deps.ts'
import { functionName, limit } from './input.ts'
import { route } from './route.ts'
import { count, text, time } from './schemas.ts'

const MOST_MISSED = 20

const MissedTicks = z
  .strictObject({
    foundAt: time,
    first: time,
    last: time,
    count: count.describe('Ticks that nobody decided within 5 s, up to 1,000.'),
    made: count.describe('How many of them became events all the same.'),
    catchUp: z.enum(['skip', 'latest', 'all']).describe('As it was declared then.'),
    busy: z.boolean().describe('None was made because the run of an earlier tick was under way.'),
  })
  .meta({ id: 'MissedTicks' })

const ScheduleAnswer = z
  .looseObject({
    id: text,
    functionId: text,
    expression: text,
    timezone: text,
    nextAt: time.nullable(),
    previousAt: time.nullable(),
    skipped: count.describe('Ticks left out by catch-up or overlap.'),
    next: z.array(time),
    catchUp: z.enum(['skip', 'latest', 'all']).nullable().describe('Null: no function here declares it.'),
    catchUpWindow: text.nullable(),
    overlap: z.enum(['allow', 'skip', 'queue']).nullable(),
    missed: z.array(MissedTicks).describe('Of the last 30 days, found last first; at most 20.'),
  })
  .meta({ id: 'Schedule' })

export const scheduleRoutes = [
  route({
    method: 'GET',
    path: '/schedules',
    scope: 'read',
    tag: 'Schedules',
    summary: 'Schedules with their last tick, those that were missed, and the next ones.',
    query: z.strictObject({
      function: functionName.optional(),
      next: limit(100, 1).describe('How many of the next ticks to compute for each. Default 1.'),
    }),
    answer: z.strictObject({ schedules: z.array(ScheduleAnswer) }),
    async handle({ query: { function: functionId, next } }, deps) {
      const [all, missed] = await Promise.all([wanted(functionId, deps), deps.schedules.missed(MOST_MISSED)])
      return {
        schedules: all.map((schedule) => ({
          ...schedule,
          ...policyOf(schedule, deps),
          next: nextTicks(schedule, next),
          missed: missed.flatMap(({ schedule: id, ...ticks }) => (id === schedule.id ? [ticks] : [])),
        })),
      }
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

type Policy = Pick<CronTrigger, 'catchUp' | 'catchUpWindow' | 'overlap'>

/** As the function declares it here; the ledger does not have it. */
function policyOf({ id, functionId }: Schedule, { catalog }: AdminDeps): Policy | Record<keyof Policy, null> {
  const fn = catalog().functions.find((one) => one.id === functionId)
  const trigger = fn?.triggers[Number(/#(\d+)$/.exec(id)?.[1] ?? -1)]
  if (trigger?.kind !== 'cron') return { catchUp: null, catchUpWindow: null, overlap: null }
  const { catchUp, catchUpWindow, overlap } = trigger as unknown as CronTrigger
  return { catchUp, catchUpWindow, overlap }
}

function nextTicks({ expression, timezone, nextAt }: Schedule, most: number): Date[] {
  const found: Date[] = []
  if (nextAt === null) return found
  const ticks = parseCron(expression, timezone)
  for (let tick: Date | null = nextAt; tick !== null && found.length < most; tick = ticks.after(tick))
    found.push(tick)
  return found
}
