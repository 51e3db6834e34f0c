import * as z from 'zod'
import type { RouteScope } from '../access/scopes.ts'
import { VERSION } from '../lib/version.ts'
import { parseCron } from '../triggers/cron/next.ts'
import { listDead, replayDead } from './dead-letters.ts'
import { listAudit, recordChanges } from './audit.ts'
import type { AdminDeps, Schedule } from './deps.ts'
import { listFunctions } from './functions.ts'
import { registerHealthRoutes } from './health.ts'
import { functionName, limit, readQuery } from './input.ts'
import { invoke } from './invoke.ts'
import { createKey, listKeys, revokeKey } from './keys.ts'
import { registerLambdaRoutes } from './lambda/routes.ts'
import { API } from './paths.ts'
import { cancel, listRuns, replay, showOutcome, showRun } from './runs.ts'
import type { HttpReply, HttpRequest } from './server.ts'

/** The routes for people and the command line, each with the scope that a key must have, and those for health. */
export function registerAdminRoutes(deps: AdminDeps): void {
  const { server } = deps
  recordChanges(server, deps.audit, deps.logger)
  registerHealthRoutes(deps)
  registerLambdaRoutes(deps)
  // Who was told a run's id with a 202 may ask for its end: the id cannot be guessed.
  server.get('/_tappet/runs/:id', { config: { scope: 'public' } }, (request) => showOutcome(request, deps))

  const get = (scope: RouteScope, path: string, answer: (request: HttpRequest) => Promise<object>): void =>
    void server.get(`${API}${path}`, { config: { scope } }, answer)
  const post = (
    scope: RouteScope,
    path: string,
    answer: (request: HttpRequest, reply: HttpReply) => Promise<object>,
  ): void => void server.post(`${API}${path}`, { config: { scope } }, answer)

  get('read', '/status', () => status(deps))
  get('read', '/functions', async () => listFunctions(deps))
  post('operate', '/functions/*', (request, reply) => invoke(request, reply, deps))
  get('read', '/runs', (request) => listRuns(request, deps))
  get('read', '/runs/:id', (request) => showRun(request, deps))
  post('operate', '/runs/:id/replay', (request, reply) => replay(request, reply, deps))
  post('operate', '/runs/:id/cancel', (request) => cancel(request, deps))
  get('read', '/dead', (request) => listDead(request, deps))
  post('operate', '/dead/replay', (request, reply) => replayDead(request, reply, deps))
  get('read', '/schedules', (request) => listSchedules(request, deps))
  get('admin', '/audit', (request) => listAudit(request, deps))
  get('admin', '/keys', (request) => listKeys(request, deps))
  post('admin', '/keys', (request, reply) => createKey(request, reply, deps))
  post('admin', '/keys/:id/revoke', (request) => revokeKey(request, deps))
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
