import * as z from 'zod'
import { VERSION } from '../lib/version.ts'
import { parseCron } from '../triggers/cron/next.ts'
import { listDead, replayDead } from './dead-letters.ts'
import type { AdminDeps, Schedule } from './deps.ts'
import { listFunctions } from './functions.ts'
import { registerHealthRoutes } from './health.ts'
import { functionName, limit, readQuery } from './input.ts'
import { invoke } from './invoke.ts'
import { registerLambdaRoutes } from './lambda/routes.ts'
import { API } from './paths.ts'
import { cancel, listRuns, replay, showOutcome, showRun } from './runs.ts'
import type { HttpReply, HttpRequest } from './server.ts'

/** The routes for people and the command line, each behind an admin key, and those for health, which need none. */
export function registerAdminRoutes(deps: AdminDeps): void {
  const { server } = deps
  registerHealthRoutes(deps)
  registerLambdaRoutes(deps)
  server.get('/_tappet/runs/:id', (request) => showOutcome(request, deps))

  const guarded = { preHandler: server.authorize }
  const get = (path: string, answer: (request: HttpRequest) => Promise<object>): void =>
    void server.get(`${API}${path}`, guarded, answer)
  const post = (path: string, answer: (request: HttpRequest, reply: HttpReply) => Promise<object>): void =>
    void server.post(`${API}${path}`, guarded, answer)

  get('/status', () => status(deps))
  get('/functions', async () => listFunctions(deps))
  post('/functions/*', (request, reply) => invoke(request, reply, deps))
  get('/runs', (request) => listRuns(request, deps))
  get('/runs/:id', (request) => showRun(request, deps))
  post('/runs/:id/replay', (request, reply) => replay(request, reply, deps))
  post('/runs/:id/cancel', (request) => cancel(request, deps))
  get('/dead', (request) => listDead(request, deps))
  post('/dead/replay', (request, reply) => replayDead(request, reply, deps))
  get('/schedules', (request) => listSchedules(request, deps))
}

async function status({ store, queue, catalog, triggerProblems }: AdminDeps): Promise<object> {
  const { functions, problems } = catalog()
  const [postgres, queueMs, stats, queues] = await Promise.all([
    store.ping(),
    queue.ping(),
    store.stats(),
    Promise.all(functions.map(async ({ id }) => ({ functionId: id, ...(await queue.counts(id)) }))),
  ])
  return {
    version: VERSION,
    engine: queue.engine,
    uptimeMs: Math.round(process.uptime() * 1_000),
    postgres,
    queueMs,
    functions: functions.length,
    problems: problems.length + triggerProblems().length,
    stats,
    queues,
  }
}

const ScheduleQuery = z.strictObject({
  function: functionName.optional(),
  /** How many of the next ticks to compute for each. */
  next: limit(100, 1),
})

async function listSchedules(request: HttpRequest, { schedules }: AdminDeps): Promise<object> {
  const { function: functionId, next: count } = readQuery(request, ScheduleQuery)
  const all = await schedules.list()
  const wanted = functionId === undefined ? all : all.filter((schedule) => schedule.functionId === functionId)
  return { schedules: wanted.map((schedule) => ({ ...schedule, next: nextTicks(schedule, count) })) }
}

function nextTicks({ expression, timezone, nextAt }: Schedule, count: number): Date[] {
  const found: Date[] = []
  if (nextAt === null) return found
  const ticks = parseCron(expression, timezone)
  for (let tick: Date | null = nextAt; tick !== null && found.length < count; tick = ticks.after(tick))
    found.push(tick)
  return found
}
