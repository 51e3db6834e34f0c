import * as z from 'zod'
import { matching } from '../bulk/matching.ts'
import { TappetError } from '../errors.ts'
import type { Filter } from '../filter/filter.ts'
import { newId } from '../lib/id.ts'
import { BULK_ACTIONS, type Bulk } from '../store/bulks.ts'
import type { AdminDeps } from './deps.ts'
import { limit } from './input.ts'
import { type Call, route } from './route.ts'
import { count, ListedRun, next, text, time } from './schemas.ts'

const MAX_TOTAL = 1_000_000
const SAMPLE = 5

const BulkAnswer = z
  .strictObject({
    id: text,
    action: z.enum(BULK_ACTIONS),
    filter: text,
    state: z.enum(['running', 'done', 'stopped']),
    rate: count.describe('Runs a second, at most.'),
    total: count,
    done: count,
    skipped: count.describe('Had moved on before their turn, or have no code here.'),
    reason: text.nullable(),
    createdAt: time,
    createdBy: text,
    finishedAt: time.nullable(),
  })
  .meta({ id: 'Bulk' })

const Start = z.strictObject({
  action: z.enum(BULK_ACTIONS, `must be one of ${BULK_ACTIONS.join(', ')}`),
  q: z.string().describe('Which runs. Empty for all, which needs `limit`.'),
  rate: z.int('must be a whole number').min(1).max(1_000).default(20).describe('Runs a second.'),
  limit: z.int('must be a whole number').min(1).max(MAX_TOTAL).optional(),
  reason: z
    .string()
    .max(500)
    .regex(/^[^\u0000]*$/, 'must be without NUL')
    .optional(),
  dryRun: z.boolean().default(false).describe('Only say what would be touched.'),
})

export const bulkRoutes = [
  route({
    method: 'POST',
    path: '/bulk',
    scope: 'operate',
    tag: 'Bulk actions',
    summary:
      'Replays or cancels all runs that a filter selects, oldest first, by and by; 200 for a dry run, which changes nothing.',
    body: Start,
    statuses: [202, 200],
    answer: z.union([
      z.strictObject({ bulk: BulkAnswer }),
      z.strictObject({
        count,
        exact: z.boolean(),
        sample: z.array(ListedRun).describe('The newest.'),
        oldestAt: time.nullable(),
        newestAt: time.nullable(),
      }),
    ]),
    handle: start,
  }),
  route({
    method: 'GET',
    path: '/bulk',
    scope: 'read',
    tag: 'Bulk actions',
    summary: 'Bulk actions with their progress, newest first.',
    query: z.strictObject({
      before: z
        .string()
        .regex(/^bulk_\w{1,90}$/, 'must be the id of a bulk action')
        .optional(),
      limit: limit(500, 50),
    }),
    answer: z.strictObject({ bulks: z.array(BulkAnswer), next }),
    async handle({ query: { before, limit: most } }, deps) {
      const bulks = await deps.bulks.list(most, before)
      return { bulks, next: bulks.length === most ? (bulks.at(-1)?.id ?? null) : null }
    },
  }),
  route({
    method: 'GET',
    path: '/bulk/:id',
    scope: 'read',
    tag: 'Bulk actions',
    summary: 'A bulk action with its progress.',
    answer: z.strictObject({ bulk: BulkAnswer }),
    handle: async ({ params }, { bulks }) => ({ bulk: await find(params.id, (id) => bulks.show(id)) }),
  }),
  route({
    method: 'POST',
    path: '/bulk/:id/stop',
    scope: 'operate',
    tag: 'Bulk actions',
    summary: 'Begins no further step of a bulk action; what is done stays done.',
    answer: z.strictObject({ bulk: BulkAnswer }),
    handle: async ({ params }, { bulks }) => ({ bulk: await find(params.id, (id) => bulks.stop(id)) }),
  }),
]

async function find(id = '', look: (id: string) => Promise<Bulk | null>): Promise<Bulk> {
  const found = /^bulk_\w{1,90}$/.test(id) ? await look(id) : null
  if (found) return found
  throw new TappetError('TPT_NOT_FOUND', `there is no bulk action ${JSON.stringify(id.slice(0, 100))}`)
}

async function start(
  { body, request, reply }: Call<unknown, z.output<typeof Start>>,
  deps: AdminDeps,
): Promise<object> {
  const { action, q, rate, limit: most, reason, dryRun } = body
  request.auditTarget = `${action}${dryRun ? ', dry run' : ''}: ${q}`
  if (q.trim() === '' && most === undefined && !dryRun) {
    const message = 'expected a filter in `q`, or a `limit`, got neither: this would touch every run'
    throw new TappetError('TPT_REQUEST_INVALID', message)
  }
  const filter = matching(action, q, new Date((await deps.store.ping()).databaseMs))
  const found = await deps.reader.countAll(filter, MAX_TOTAL)
  const total = Math.min(found, most ?? MAX_TOTAL)
  if (dryRun) {
    void reply.code(200)
    return { count: total, exact: found < MAX_TOTAL, ...(await preview(filter, deps)) }
  }
  const createdBy = request.holder?.name ?? 'nobody'
  const bulk = await deps.bulks.create({
    ...{ id: newId('bulk'), action, filter: q, rate, total, createdBy },
    reason: reason ?? null,
  })
  request.auditTarget = `${bulk.id} ${action} ${total} runs: ${q}`
  return { bulk }
}

async function preview(filter: Filter, { reader }: AdminDeps): Promise<object> {
  const [sample, oldest] = await Promise.all([
    reader.runs({ filter, limit: SAMPLE }),
    reader.oldestRuns({ filter, limit: 1 }),
  ])
  return {
    sample,
    oldestAt: oldest[0]?.createdAt ?? null,
    newestAt: sample[0]?.createdAt ?? null,
  }
}
