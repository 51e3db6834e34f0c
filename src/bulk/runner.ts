import { explain } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import { type Loop, startLoop } from '../lib/service.ts'
import type { Job } from '../queue/queue.ts'
import { type Bulks, type BulkTurn, STEP_MS } from '../store/bulks.ts'
import type { Reader } from '../store/reader.ts'
import type { Store } from '../store/store.ts'
import { matching } from './matching.ts'

export interface BulkRunnerDeps {
  readonly bulks: Bulks
  readonly reader: Pick<Reader, 'oldestRuns'>
  readonly store: Pick<Store, 'replay' | 'cancel'>
  readonly enqueue: (jobs: readonly Job[]) => void
  /** Whether a function's code is here. */
  readonly knows: (functionId: string) => boolean
  readonly logger: Logger
  /** How often to look for steps that are due. Default 500 ms. */
  readonly everyMs?: number
}

const MAX_STEP = 50

/**
 * Does bulk actions, a step at a time: any process takes the next one. Whoever dies in a step leaves it to another,
 * who finds what was touched by its mark.
 */
export function startBulkRunner(deps: BulkRunnerDeps): Loop {
  const { bulks, logger, everyMs = 500 } = deps
  const work = async (signal: AbortSignal): Promise<void> => {
    for (let turn = await bulks.take(); turn !== null && !signal.aborted; turn = await bulks.take())
      await step(turn, deps)
  }
  const onError = (error: unknown): void =>
    logger.warn({ error: explain(error) }, 'could not go on with a bulk action')
  return startLoop(work, { everyMs, onError })
}

async function step(turn: BulkTurn, deps: BulkRunnerDeps): Promise<void> {
  const { bulks, reader } = deps
  const { id, action, filter, rate, total, cursor, createdAt } = turn
  const began = performance.now()
  const before = await bulks.uncounted(turn)
  const left = total - turn.done - turn.skipped - before
  const size = Math.max(0, Math.min(MAX_STEP, Math.ceil(rate / 2), left))
  const runs =
    size === 0
      ? []
      : await reader.oldestRuns({ filter: matching(action, filter, createdAt), limit: size, after: cursor })
  await bulks.mark(
    id,
    runs.map((run) => run.id),
  )
  let done = 0
  let last = cursor
  for (const run of runs) {
    if (performance.now() - began > STEP_MS / 2) break
    if (await act(run, turn, deps)) done++
    last = run.id
  }
  const tried = runs.filter((run) => run.id <= last).length
  await bulks.advance({
    ...{ id, from: cursor, cursor: last, done: done + before, skipped: tried - done },
    over: tried === runs.length && (runs.length < size || size === left || size === 0),
    pauseMs: (tried * 1_000) / rate,
  })
}

async function act(
  { id, functionId }: { readonly id: string; readonly functionId: string },
  { action }: BulkTurn,
  { store, enqueue, knows }: BulkRunnerDeps,
): Promise<boolean> {
  if (action === 'cancel') return store.cancel(id)
  if (!knows(functionId)) return false
  const jobs = await store.replay(id)
  if (jobs !== null) enqueue(jobs)
  return jobs !== null
}
