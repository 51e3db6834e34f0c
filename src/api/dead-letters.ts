import * as z from 'zod'

import type { Run, RunFilter, Store } from '../store/store.ts'
import type { AdminDeps } from './deps.ts'
import { functionName, limit, runCursor } from './input.ts'
import { type Call, route } from './route.ts'
import { replayRun } from './runs.ts'
import { count, ErrorGroup, next, Run as RunAnswer, text, time } from './schemas.ts'

const PAGE = 500
/** Most dead letters that one answer groups, or one request replays. */
const MAX_GROUPED = 5_000

const Query = z.strictObject({
  function: functionName.optional(),
  before: runCursor.optional(),
  limit: limit(PAGE, 50),
  grouped: z.enum(['true', 'false'], 'must be true or false').default('false'),
})

/** Dead letters that failed in the same way. */
export interface DeadGroup {
  readonly functionId: string
  /** The error with what differs from run to run left out. */
  readonly error: string
  readonly count: number
  readonly firstAt: Date | null
  readonly lastAt: Date | null
  /** The newest one's id. */
  readonly sample: string
}

const Replay = z.strictObject({
  function: functionName.optional(),
  limit: z.int('must be a whole number').min(1).max(MAX_GROUPED).default(PAGE),
})

const Group = z
  .strictObject({
    functionId: text,
    error: text.describe('What differs from run to run is left out.'),
    count,
    firstAt: time.nullable(),
    lastAt: time.nullable(),
    sample: text,
  })
  .meta({ id: 'DeadGroup' })

export const deadLetterRoutes = [
  route({
    method: 'GET',
    path: '/dead',
    scope: 'read',
    tag: 'Dead letters',
    summary: 'Dead letters, newest first, or grouped by what went wrong.',
    query: Query,
    answer: z.union([
      z.strictObject({ runs: z.array(RunAnswer), next }),
      z.strictObject({ groups: z.array(Group), complete: z.boolean() }),
    ]),
    handle: ({ query }, deps) => listDead(query, deps),
  }),
  route({
    method: 'GET',
    path: '/dead/groups',
    scope: 'read',
    tag: 'Dead letters',
    summary: 'All dead letters by function and fingerprint, most frequent first; at most 500 groups.',
    query: z.strictObject({ function: functionName.optional() }),
    answer: z.strictObject({ groups: z.array(ErrorGroup) }),
    handle: async ({ query }, { reader }) => ({ groups: await reader.deadGroups(query.function ?? null) }),
  }),
  route({
    method: 'POST',
    path: '/dead/replay',
    scope: 'operate',
    tag: 'Dead letters',
    summary:
      'Replays the newest dead letters, of one function or of all. `failed` names those that could not be.',
    body: Replay,
    statuses: [202],
    answer: z.strictObject({
      replayed: z.array(text),
      failed: z.array(z.strictObject({ run: text, message: text })),
    }),
    handle: replayDead,
  }),
]

async function listDead(query: z.output<typeof Query>, { store }: AdminDeps): Promise<object> {
  const { function: functionId, before, limit: most, grouped } = query
  const filter = { ...(functionId !== undefined && { functionId }), ...(before !== undefined && { before }) }
  if (grouped === 'true') {
    const runs = await collect(store, filter, MAX_GROUPED)
    return { groups: groupDead(runs), complete: runs.length < MAX_GROUPED }
  }
  const runs = await collect(store, filter, most)
  return { runs, next: runs.length === most ? (runs.at(-1)?.id ?? null) : null }
}

async function replayDead(
  { body: { function: functionId, limit: most }, request }: Call<unknown, z.output<typeof Replay>>,
  deps: AdminDeps,
): Promise<object> {
  const runs = await collect(deps.store, functionId === undefined ? {} : { functionId }, most)
  request.auditTarget = `${functionId ?? 'all functions'}, ${runs.length} runs`
  const replayed: string[] = []
  const failed: { readonly run: string; readonly message: string }[] = []
  for (const run of runs) {
    try {
      await replayRun(run, deps)
      replayed.push(run.id)
    } catch (error) {
      failed.push({ run: run.id, message: (error as Error).message })
    }
  }
  return { replayed, failed }
}

/** Most frequent first. Numbers, ids and quoted text do not make an error another one. */
export function groupDead(runs: readonly Run[]): DeadGroup[] {
  const groups = new Map<string, Run[]>()
  for (const run of runs) {
    const key = `${run.functionId}\n${fingerprint(run)}`
    const same = groups.get(key)
    if (same) same.push(run)
    else groups.set(key, [run])
  }
  return [...groups.values()].flatMap((same) => toGroup(same) ?? []).toSorted((a, b) => b.count - a.count)
}

function toGroup(runs: readonly Run[]): DeadGroup | null {
  const [newest] = runs
  if (!newest) return null
  const times = runs
    .flatMap(({ finishedAt }) => finishedAt ?? [])
    .toSorted((a, b) => a.getTime() - b.getTime())
  return {
    functionId: newest.functionId,
    error: fingerprint(newest),
    count: runs.length,
    firstAt: times[0] ?? null,
    lastAt: times.at(-1) ?? null,
    sample: newest.id,
  }
}

function fingerprint({ failure }: Run): string {
  if (!failure) return 'unknown'
  const plain = failure.message
    .replaceAll(/"[^"]*"|'[^']*'/g, '…')
    .replaceAll(/\b[\w-]*\d[\w-]*\b/g, '#')
    .slice(0, 200)
  return `${failure.code ?? failure.name}: ${plain}`
}

async function collect(store: Store, filter: RunFilter, most: number): Promise<Run[]> {
  const found: Run[] = []
  for (let before = filter.before; found.length < most;) {
    const size = Math.min(PAGE, most - found.length)
    const page = await store.runs({
      ...filter,
      ...(before !== undefined && { before }),
      state: 'dead',
      limit: size,
    })
    found.push(...page)
    before = page.at(-1)?.id
    if (page.length < size) break
  }
  return found
}
