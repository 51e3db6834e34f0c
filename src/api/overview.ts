import * as z from 'zod'
import { VERSION } from '../lib/version.ts'
import type { AdminDeps, Check } from './deps.ts'
import { sinceMs } from './input.ts'
import { route } from './route.ts'
import { Check as CheckAnswer, count, ErrorGroup, Minute, ms, text, WorkerState } from './schemas.ts'

const Stat = z.strictObject({ functionId: text, state: text, count }).meta({ id: 'StateCount' })

/** What somebody should look at. `kind` says where. */
const Concern = z
  .strictObject({
    kind: z.enum(['check', 'function', 'trigger', 'paused', 'queue', 'failing', 'alert']),
    subject: text,
    message: text,
    fix: text.nullable(),
  })
  .meta({ id: 'Concern' })
type Concern = z.output<typeof Concern>

export const overviewRoutes = [
  route({
    method: 'GET',
    path: '/status',
    scope: 'read',
    tag: 'Overview',
    summary: 'Version, engine, round trips and counts of this process and its ledger.',
    answer: z.strictObject({
      version: text,
      engine: text,
      uptimeMs: ms,
      postgres: z.strictObject({ ms, databaseMs: ms, clockOffsetMs: ms }),
      queueMs: ms,
      functions: count,
      problems: count,
      stats: z.array(Stat),
      queues: z.array(z.strictObject({ functionId: text, waiting: count, active: count })),
    }),
    handle: (_call, deps) => status(deps),
  }),
  route({
    method: 'GET',
    path: '/overview',
    scope: 'read',
    tag: 'Overview',
    summary: 'Runs by state, what is wrong, and each minute of the last hour.',
    answer: z.strictObject({
      version: text,
      functions: count,
      states: z.record(text, count).describe('Runs by state; those that are over, of the last 24 h.'),
      minutes: z.array(Minute),
      problems: z.array(Concern),
    }),
    handle: (_call, deps) => overview(deps),
  }),
  route({
    method: 'GET',
    path: '/checks',
    scope: 'read',
    tag: 'Overview',
    summary: 'What must hold for this process to do its work.',
    answer: z.strictObject({ checks: z.array(CheckAnswer) }),
    handle: async (_call, { checks }) => ({ checks: await checks() }),
  }),
  route({
    method: 'GET',
    path: '/errors',
    scope: 'read',
    tag: 'Errors',
    summary: 'Failed attempts by kind of failure, most frequent first; `new` since the code that runs now.',
    query: z.strictObject({ since: sinceMs('24h') }),
    answer: z.strictObject({
      groups: z.array(
        ErrorGroup.extend({
          isNew: z.boolean().describe('Seen first with the version that is served now.'),
        }).meta({ id: 'FailureGroup' }),
      ),
    }),
    handle: ({ query }, deps) => errors(query.since, deps),
  }),
  route({
    method: 'GET',
    path: '/workers',
    scope: 'read',
    tag: 'Workers',
    summary: 'Processes that run functions, whose heart beat within the last 10 minutes.',
    answer: z.strictObject({ workers: z.array(WorkerState) }),
    handle: async (_call, { reader }) => ({ workers: await reader.workers() }),
  }),
]

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

async function overview(deps: AdminDeps): Promise<object> {
  const { store, reader, catalog } = deps
  const [stats, minutes, problems] = await Promise.all([store.stats(), reader.minutes(), concerns(deps)])
  const states: Record<string, number> = {}
  for (const { state, count: runs } of stats) states[state] = (states[state] ?? 0) + runs
  return { version: VERSION, functions: catalog().functions.length, states, minutes, problems }
}

/** A queue whose oldest run waits longer than this is told of. */
const OLD_MS = 60_000
/** Below this share of success, with so many ends at least, a function is told of. */
const FAILING = 0.9
const MIN_ENDS = 5

async function concerns(deps: AdminDeps): Promise<Concern[]> {
  const { checks, catalog, triggerProblems, store, reader, alerts } = deps
  const [checked, paused, queues, stats, { firing }] = await Promise.all([
    checks(),
    store.paused(),
    reader.queues(),
    reader.functionStats(),
    alerts.now(0),
  ])
  return [
    ...checked.filter(({ ok }) => !ok).map(ofCheck),
    ...catalog().problems.map(({ file, message }) => concern('function', file, message)),
    ...firing.map(({ subject, message }) => concern('alert', subject, message)),
    ...triggerProblems().map(({ functionId, label, message }) =>
      concern('trigger', functionId, `${label}: ${message}`),
    ),
    ...paused.map(({ functionId, pausedBy }) => concern('paused', functionId, `paused by ${pausedBy}`)),
    ...queues
      .filter(({ oldestMs }) => (oldestMs ?? 0) > OLD_MS)
      .map(({ functionId, waiting, oldestMs }) => {
        const seconds = Math.round((oldestMs ?? 0) / 1_000)
        return concern('queue', functionId, `${waiting} runs wait, the oldest for ${seconds} s`)
      }),
    ...stats
      .filter(({ success, completed, dead }) => (success ?? 1) < FAILING && completed + dead >= MIN_ENDS)
      .map(({ functionId, success, lastError }) =>
        concern(
          'failing',
          functionId,
          `${Math.round((success ?? 0) * 100)} % of the last 24 h succeeded: ${lastError ?? ''}`,
        ),
      ),
  ]
}

function ofCheck({ name, detail, fix }: Check): Concern {
  return { kind: 'check', subject: name, message: detail, fix: fix ?? null }
}

function concern(kind: Concern['kind'], subject: string, message: string): Concern {
  return { kind, subject, message, fix: null }
}

async function errors(since: number, { reader, catalog }: AdminDeps): Promise<object> {
  const versions = new Map(catalog().functions.map(({ id, version }) => [id, version]))
  const groups = await reader.errorGroups({ sinceMs: since })
  return {
    groups: groups.map((group) => ({
      ...group,
      isNew: group.firstVersion !== null && group.firstVersion === versions.get(group.functionId),
    })),
  }
}
