import * as z from 'zod'
import type { ErrorCode } from '../errors.ts'
import { VERSION } from '../lib/version.ts'
import type { Job, Queue } from '../queue/queue.ts'
import type { LoadedFunction } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'
import { parseCron } from '../triggers/cron/next.ts'
import type { Emit, TriggerProblem } from '../triggers/trigger.ts'
import type { RunEnd } from '../worker/await-run.ts'
import { listDead, replayDead } from './dead-letters.ts'
import { listFunctions } from './functions.ts'
import { registerHealthRoutes } from './health.ts'
import { limit, readQuery } from './input.ts'
import { invoke } from './invoke.ts'
import type { Metrics } from './metrics.ts'
import { API } from './paths.ts'
import { cancel, listRuns, replay, showOutcome, showRun } from './runs.ts'
import type { HttpReply, HttpRequest, HttpServer } from './server.ts'

export interface AdminDeps {
  /** Not listening yet. */
  readonly server: HttpServer
  readonly store: Store
  readonly queue: Queue
  readonly metrics: Metrics
  readonly emit: Emit
  readonly enqueue: (jobs: readonly Job[]) => void
  /** Null at the deadline. */
  readonly awaitRun: (runId: string, timeoutMs: number) => Promise<RunEnd | null>
  readonly catalog: () => LoadedCatalog
  readonly triggerProblems: () => readonly TriggerProblem[]
  readonly schedules: { list(): Promise<readonly Schedule[]> }
  /** What must hold for this process to do its work. */
  readonly checks: () => Promise<readonly Check[]>
  /** From the first signal on: load balancers should look elsewhere. Default never. */
  readonly stopping?: () => boolean
}

export interface LoadedCatalog {
  readonly functions: readonly LoadedFunction[]
  readonly problems: readonly { readonly file: string; readonly code: ErrorCode; readonly message: string }[]
}

export interface Schedule {
  readonly id: string
  readonly functionId: string
  readonly expression: string
  readonly timezone: string
  readonly nextAt: Date | null
  readonly previousAt: Date | null
  readonly skipped: number
}

export interface Check {
  readonly name: string
  readonly ok: boolean
  /** What was found; no secrets: anybody may read it. */
  readonly detail: string
  /** Worth knowing, but the process is ready all the same. */
  readonly advisory?: boolean
  /** What to do about it. */
  readonly fix?: string
}

/** The routes for people and the command line, each behind an admin key, and those for health, which need none. */
export function registerAdminRoutes(deps: AdminDeps): void {
  const { server } = deps
  registerHealthRoutes(deps)
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
  function: z.string().min(1).max(200).optional(),
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
