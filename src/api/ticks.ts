import * as z from 'zod'
import { TappetError } from '../errors.ts'
import { parseCron } from '../triggers/cron/next.ts'
import { toEvent } from '../triggers/cron/normalize.ts'
import type { AdminDeps, Schedule } from './deps.ts'
import { findFunction, subscriptionOf } from './find-function.ts'
import { invocationEvent } from './invoke-event.ts'
import { type Call, route } from './route.ts'
import { text, time } from './schemas.ts'

/** Most ticks that one request makes up for. */
const MAX_TICKS = 1_000

const schedule = z.string().min(1).max(300).describe('Its id, such as `reports/nightly#0`.')

const Backfill = z.strictObject({
  schedule,
  from: z.iso.datetime({ offset: true, error: 'must be a time such as 2026-11-01T00:00:00Z' }),
  until: z.iso.datetime({ offset: true, error: 'must be a time such as 2026-11-01T00:00:00Z' }),
  dryRun: z.boolean().default(false).describe('Only say which ticks there were.'),
})

const RunNow = z.strictObject({ schedule })

export const tickRoutes = [
  route({
    method: 'POST',
    path: '/schedules/run',
    scope: 'operate',
    tag: 'Schedules',
    summary: 'Runs the function of a schedule now, beside its ticks.',
    body: RunNow,
    statuses: [202],
    answer: z.strictObject({ run: text.optional(), event: text }),
    handle: runNow,
  }),
  route({
    method: 'POST',
    path: '/schedules/backfill',
    scope: 'operate',
    tag: 'Schedules',
    summary:
      'Makes the ticks of a stretch of time, oldest first; those that were made already are not made again.',
    body: Backfill,
    statuses: [202, 200],
    answer: z.strictObject({
      ticks: z.array(time),
      runs: z.array(text).describe('Made now.'),
      known: z.int().min(0).describe('Ticks that were there already.'),
    }),
    handle: backfill,
  }),
]

async function runNow(
  { body, request }: Call<unknown, z.output<typeof RunNow>>,
  deps: AdminDeps,
): Promise<object> {
  request.auditTarget = body.schedule
  const { subscription } = await find(body.schedule, deps)
  const event = invocationEvent(subscription.functionId, subscription.trigger, undefined)
  const { eventId, runIds } = await deps.emit(event, [subscription])
  return { run: runIds[0], event: eventId }
}

async function backfill(
  { body, request, reply }: Call<unknown, z.output<typeof Backfill>>,
  deps: AdminDeps,
): Promise<object> {
  const { from, until, dryRun } = body
  request.auditTarget = `${body.schedule} ${from} to ${until}${dryRun ? ', dry run' : ''}`
  const { row, subscription } = await find(body.schedule, deps)
  const ticks = ticksBetween(row, new Date(from), await past(new Date(until), deps))
  if (dryRun) {
    void reply.code(200)
    return { ticks, runs: [], known: 0 }
  }
  const runs: string[] = []
  let known = 0
  for (const [i, tick] of ticks.entries()) {
    const event = toEvent(subscription as never, tick, ticks[i - 1] ?? null)
    const { runIds, duplicate } = await deps.emit(event, [subscription])
    if (duplicate) known++
    else runs.push(...runIds)
  }
  return { ticks, runs, known }
}

/** What is still to come is made by its schedule. */
async function past(until: Date, { store }: AdminDeps): Promise<Date> {
  const { databaseMs } = await store.ping()
  if (until.getTime() <= databaseMs) return until
  throw new TappetError('TPT_REQUEST_INVALID', `expected \`until\` in the past, got ${until.toISOString()}`)
}

function ticksBetween({ expression, timezone }: Schedule, from: Date, until: Date): Date[] {
  if (from > until) {
    const message = `expected \`from\` before \`until\`, got ${from.toISOString()} and ${until.toISOString()}`
    throw new TappetError('TPT_REQUEST_INVALID', message)
  }
  const cron = parseCron(expression, timezone)
  const ticks: Date[] = []
  let tick = cron.after(new Date(from.getTime() - 1))
  for (; tick !== null && tick <= until; tick = cron.after(tick)) {
    if (ticks.length === MAX_TICKS) {
      const message = `expected at most ${MAX_TICKS} ticks at once, got more: the last that fits is ${ticks.at(-1)?.toISOString()}`
      throw new TappetError('TPT_REQUEST_INVALID', message)
    }
    ticks.push(tick)
  }
  return ticks
}

async function find(
  id: string,
  deps: AdminDeps,
): Promise<{ readonly row: Schedule; readonly subscription: ReturnType<typeof subscriptionOf> }> {
  const row = (await deps.schedules.list()).find((one) => one.id === id)
  if (!row) throw new TappetError('TPT_NOT_FOUND', `there is no schedule ${JSON.stringify(id)}`)
  const index = Number(/#(\d+)$/.exec(id)?.[1] ?? -1)
  return { row, subscription: subscriptionOf(findFunction(deps, row.functionId), index) }
}
