import { explain } from '../errors.ts'
import { newId } from '../lib/id.ts'
import type { Logger } from '../lib/log.ts'
import { startLoop } from '../lib/service.ts'
import { conditionsOf, type Declared, remember } from './conditions.ts'
import { decide, noticesOf, retryDelayMs } from './decide.ts'
import type { Destination } from './destinations.ts'
import type { AlertLedger, DueNotice } from './ledger.ts'
import type { AlertSettings } from './settings.ts'

export interface AlertsDeps {
  readonly ledger: AlertLedger
  readonly destinations: readonly Destination[]
  readonly settings: Pick<AlertSettings, 'everyMs' | 'windowMs' | 'failures' | 'queueAgeMs'>
  readonly declared: Declared
  readonly logger: Logger
}

const MAX_SEND_EVERY_MS = 5_000
const GIVE_UP_MS = 24 * 3_600_000
/** How long it is known who was told of what. */
const KEEP_MS = 30 * 24 * 3_600_000
export const MAX_ERROR = 300

/**
 * Looks at the ledger in rounds, each in one process of all, and tells of what is wrong and when it is over. Looking and
 * telling are two loops of their own: one that hangs holds up nothing, least of all runs.
 */
export function startAlerts(deps: AlertsDeps): { stop(): Promise<void> } {
  const { logger, settings } = deps
  const warn = (message: string) => (error: unknown) => logger.warn({ error: explain(error) }, message)
  const telling = startLoop(() => tell(deps), {
    everyMs: Math.min(MAX_SEND_EVERY_MS, settings.everyMs),
    onError: warn('could not look for alerts to send: it is tried again'),
  })
  const looking = startLoop(async () => void ((await look(deps)) && telling.wake()), {
    everyMs: settings.everyMs,
    onError: warn('could not look for what is wrong: it is tried again'),
  })
  return {
    async stop() {
      await Promise.all([looking.stop(), telling.stop()])
    },
  }
}

/** Loops of several processes are never quite in step: a round is due a little before its time. */
const EARLY = 0.8

/** Whether there is something to tell. */
async function look({ ledger, destinations, settings, declared, logger }: AlertsDeps): Promise<boolean> {
  const round = await ledger.takeRound(settings.everyMs * EARLY)
  if (!round) return false
  const facts = await ledger.facts(settings.windowMs)
  const memory = remember(round.memory, facts)
  const conditions = conditionsOf(facts, memory, settings, declared)
  const names = destinations.map(({ name }) => name)
  let told = false
  await ledger.settle(round, memory, names, (open) => {
    const changes = decide(open, conditions, { quietMs: settings.everyMs * 2, makeId: () => newId('alr') })
    const notices = noticesOf(changes, facts.nowMs).map((notice) => ({ id: newId('msg'), notice }))
    told = notices.length > 0
    return { changes, notices }
  })
  const dropped = await ledger.giveUp(GIVE_UP_MS)
  await ledger.forget(KEEP_MS)
  if (dropped > 0) logger.error({ dropped }, 'alerts could not be sent for a day: they are given up')
  return told
}

async function tell(deps: AlertsDeps): Promise<void> {
  for (;;) {
    const due = await deps.ledger.takeNotices(deps.destinations.map(({ name }) => name))
    if (due.length === 0) return
    await Promise.all(due.map((one) => send(one, deps)))
  }
}

async function send(due: DueNotice, { ledger, destinations, logger }: AlertsDeps): Promise<void> {
  const { id, destination, attempts } = due
  try {
    await destinations.find(({ name }) => name === destination)?.send(due)
  } catch (error) {
    logger.warn(
      { destination, attempts, error: explain(error) },
      'could not send an alert: it is tried again',
    )
    return ledger.failed(id, retryDelayMs(attempts), explain(error).slice(0, MAX_ERROR))
  }
  await ledger.delivered(id)
}
