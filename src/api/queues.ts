import * as z from 'zod'
import type { QueueState } from '../store/reader.ts'
import type { AdminDeps } from './deps.ts'
import { functionName } from './input.ts'
import { route } from './route.ts'
import { count, ms, QueueState as Queue } from './schemas.ts'

export const queueRoutes = [
  route({
    method: 'GET',
    path: '/queues',
    scope: 'read',
    tag: 'Queues',
    summary: 'How many runs of each function wait, run, or come later, and how long the oldest has waited.',
    answer: z.strictObject({ queues: z.array(Queue) }),
    handle: async (_call, deps) => ({ queues: await listQueues(deps) }),
  }),
  route({
    method: 'GET',
    path: '/scale',
    scope: 'read',
    tag: 'Queues',
    summary:
      'How much work there is, for the metrics-api scaler of KEDA (`valueLocation: waiting` or `desired`).',
    query: z.strictObject({
      function: functionName.optional(),
      perWorker: z
        .string()
        .regex(/^[1-9]\d{0,4}$/, 'must be a number from 1 to 99999')
        .transform(Number)
        .default(10)
        .meta({
          ...{ type: 'integer', minimum: 1, maximum: 99_999 },
          description: 'Runs at once in one worker. Default 10.',
        }),
    }),
    answer: z.strictObject({
      waiting: count,
      running: count,
      desired: count.describe('Workers that waiting and running runs need together.'),
      oldestMs: ms,
    }),
    handle: ({ query }, deps) => scale(query.perWorker, query.function, deps),
  }),
]

/** All functions of this process, and those that only the ledger knows. */
export async function listQueues({
  store,
  reader,
  catalog,
}: AdminDeps): Promise<(QueueState & { readonly paused: boolean })[]> {
  const [states, pauses] = await Promise.all([reader.queues(), store.paused()])
  const paused = new Set(pauses.map(({ functionId }) => functionId))
  const byId = new Map(states.map((state) => [state.functionId, state]))
  const ids = new Set([...catalog().functions.map(({ id }) => id), ...byId.keys(), ...paused])
  return [...ids].toSorted().map((functionId) => ({
    ...(byId.get(functionId) ?? { functionId, waiting: 0, running: 0, later: 0, oldestMs: null }),
    paused: paused.has(functionId),
  }))
}

/** Paused functions need no workers. */
async function scale(perWorker: number, only: string | undefined, deps: AdminDeps): Promise<object> {
  const queues = (await listQueues(deps)).filter(
    ({ functionId, paused }) => !paused && (only === undefined || functionId === only),
  )
  const sum = (of: (queue: QueueState) => number): number =>
    queues.reduce((total, queue) => total + of(queue), 0)
  const waiting = sum((queue) => queue.waiting)
  const running = sum((queue) => queue.running)
  const oldestMs = Math.max(0, ...queues.map((queue) => queue.oldestMs ?? 0))
  return { waiting, running, desired: Math.ceil((waiting + running) / perWorker), oldestMs }
}
