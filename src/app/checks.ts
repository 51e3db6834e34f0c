import { statfs } from 'node:fs/promises'
import type { Check } from '../api/deps.ts'
import { withDeadline } from '../lib/service.ts'
import { explain } from '../errors.ts'
import type { Outbox } from '../outbox/outbox.ts'
import type { Queue } from '../queue/queue.ts'
import type { Store } from '../store/store.ts'
import type { TriggerProblem } from '../triggers/trigger.ts'

export interface ChecksDeps {
  readonly store: Store
  readonly queue: Queue
  readonly outboxes: () => readonly Outbox[]
  readonly problems: () => readonly TriggerProblem[]
  readonly stateFolder: string
  /** What the database's role may do that it need not. */
  readonly excess: readonly string[]
}

const MAX_CLOCK_OFFSET_MS = 60_000
const MAX_OUTBOX_AGE_MS = 60_000
/** A part that says nothing for so long is not well; the others are told all the same. */
const ANSWER_MS = 2_000
const MIN_FREE_BYTES = 200_000_000

/** Asks every part how it is. Never rejects; takes two seconds at most. */
export async function runChecks({
  store,
  queue,
  outboxes,
  problems,
  stateFolder,
  excess,
}: ChecksDeps): Promise<readonly Check[]> {
  const declared = problems()
  return Promise.all([
    check('postgres', 'start Postgres, or correct DATABASE_URL', async () => {
      const { ms, clockOffsetMs } = await store.ping()
      if (Math.abs(clockOffsetMs) > MAX_CLOCK_OFFSET_MS)
        throw new Error(`clock is ${Math.round(clockOffsetMs)} ms ahead of ours`)
      return `rtt ${ms.toFixed(1)} ms`
    }),
    advise(
      'queue',
      'start Redis, or correct REDIS_URL',
      async () => `${queue.engine}, rtt ${(await queue.ping()).toFixed(1)} ms`,
    ),
    ...outboxes().map((outbox) =>
      advise(
        `outbox ${outbox.database ?? 'ledger'}`,
        'look for long transactions in that database',
        async () => {
          const { rows, oldestMs } = await outbox.depth()
          if (oldestMs > MAX_OUTBOX_AGE_MS)
            throw new Error(`${rows} rows wait, the oldest for ${Math.round(oldestMs / 1_000)} s`)
          return `${rows} rows wait`
        },
      ),
    ),
    advise('triggers', 'see them with `tappet functions`, and correct what they name', async () => {
      if (declared.length > 0) throw new Error(`${declared.length} declared triggers are not served`)
      return 'all served'
    }),
    check('disk', 'free some space', async () => {
      const { bavail, bsize } = await statfs(stateFolder)
      const free = bavail * bsize
      if (free < MIN_FREE_BYTES) throw new Error(`${Math.round(free / 1e6)} MB free`)
      return `${(free / 1e9).toFixed(1)} GB free`
    }),
    Promise.resolve(roleCheck(excess)),
  ])
}

/** In order all the same: one role for everything is how people begin. */
function roleCheck(excess: readonly string[]): Check {
  const name = 'database role'
  if (excess.length === 0) return { name, ok: true, detail: 'may do what it needs', advisory: true }
  const detail = `more than it needs: ${excess.join(', ')}`
  return { name, ok: true, detail, advisory: true, fix: 'give it less with the roles of `tappet db grants`' }
}

/** A check that does not keep the process from taking events in: the ledger keeps them until the rest is well again. */
async function advise(name: string, fix: string, look: () => Promise<string>): Promise<Check> {
  return { ...(await check(name, fix, look)), advisory: true }
}

async function check(name: string, fix: string, look: () => Promise<string>): Promise<Check> {
  try {
    return { name, ok: true, detail: await withDeadline(look(), ANSWER_MS, tooSlow) }
  } catch (error) {
    return { name, ok: false, detail: explain(error), fix }
  }
}

function tooSlow(): Error {
  return new Error(`no answer within ${ANSWER_MS} ms`)
}
