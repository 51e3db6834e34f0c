import * as z from 'zod'
import type { AdminDeps } from './deps.ts'
import { findFunction, withoutBundle } from './find-function.ts'
import { Invocation, invoke } from './invoke.ts'
import { route } from './route.ts'
import { Failure, Func, FunctionStats, Pause, Problem, text, TriggerProblem, Version } from './schemas.ts'

export const functionRoutes = [
  route({
    method: 'GET',
    path: '/functions',
    scope: 'read',
    tag: 'Functions',
    summary: 'What functions declare, and what is wrong with those that are not served.',
    answer: z.strictObject({
      functions: z.array(Func),
      problems: z.array(Problem),
      triggerProblems: z.array(TriggerProblem),
    }),
    handle: async (_call, { catalog, triggerProblems }) => {
      const { functions, problems } = catalog()
      return { functions: functions.map(withoutBundle), problems, triggerProblems: triggerProblems() }
    },
  }),
  route({
    method: 'GET',
    path: '/function-stats',
    scope: 'read',
    tag: 'Functions',
    summary: 'How the runs of each function went within the last 24 h, and which functions are paused.',
    answer: z.strictObject({ stats: z.array(FunctionStats), paused: z.array(Pause) }),
    handle: async (_call, { reader, store }) => {
      const [stats, paused] = await Promise.all([reader.functionStats(), store.paused()])
      return { stats, paused }
    },
  }),
  route({
    method: 'GET',
    path: '/functions/:id',
    scope: 'read',
    tag: 'Functions',
    summary: 'A function: what it declares, how its runs went, whether it is paused, its versions that ran.',
    answer: z.strictObject({
      function: Func,
      stats: FunctionStats.nullable(),
      paused: Pause.nullable(),
      versions: z.array(Version),
      problems: z.array(TriggerProblem),
    }),
    handle: ({ params }, deps) => showFunction(params.id ?? '', deps),
  }),
  route({
    method: 'POST',
    path: '/functions/:id/invoke',
    scope: 'operate',
    tag: 'Functions',
    summary: 'Runs a function with data, as its first trigger would; with `wait`, answers how it ended.',
    body: Invocation,
    statuses: [202, 200],
    answer: z.strictObject({
      run: text.optional(),
      event: text,
      status: text.describe('Where to ask for the end.'),
      duplicate: z.boolean(),
      state: text,
      result: z.unknown().optional(),
      failure: Failure.nullable().optional(),
    }),
    handle: invoke,
  }),
  route({
    method: 'POST',
    path: '/functions/:id/pause',
    scope: 'operate',
    tag: 'Functions',
    summary:
      'Starts no more runs of a function, in any process; those under way go on. Events are still taken in.',
    answer: z.strictObject({ paused: Pause }),
    async handle({ params, request }, deps) {
      const { id } = findFunction(deps, params.id ?? '')
      await deps.store.pause(id, request.holder?.name ?? 'nobody')
      return { paused: await pauseOf(id, deps) }
    },
  }),
  route({
    method: 'POST',
    path: '/functions/:id/resume',
    scope: 'operate',
    tag: 'Functions',
    summary: 'Starts runs of a paused function again.',
    answer: z.strictObject({
      functionId: text,
      started: z.int().describe('Runs that were put on the queue.'),
    }),
    async handle({ params: { id = '' } }, deps) {
      // One whose code is gone may still be paused.
      if (!(await pauseOf(id, deps))) findFunction(deps, id)
      const jobs = await deps.store.resume(id)
      deps.enqueue(jobs)
      return { functionId: id, started: jobs.length }
    },
  }),
]

async function pauseOf(id: string, { store }: AdminDeps): Promise<object | null> {
  return (await store.paused()).find(({ functionId }) => functionId === id) ?? null
}

async function showFunction(name: string, deps: AdminDeps): Promise<object> {
  const fn = findFunction(deps, name)
  const [stats, paused, versions] = await Promise.all([
    deps.reader.functionStats(),
    pauseOf(fn.id, deps),
    deps.reader.versions(fn.id),
  ])
  return {
    function: withoutBundle(fn),
    stats: stats.find(({ functionId }) => functionId === fn.id) ?? null,
    paused,
    versions,
    problems: deps.triggerProblems().filter(({ functionId }) => functionId === fn.id),
  }
}
