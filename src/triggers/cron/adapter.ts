import { type ScheduledTask, schedule as everySecond } from 'node-cron'
import { TappetError } from '../../errors.ts'
import { type Duration, toMs } from '../../lib/duration.ts'
import type { Logger } from '../../lib/log.ts'
import { type Loop, startLoop } from '../../lib/service.ts'
import type { Emit, Subscription, TriggerAdapter, TriggerProblem } from '../trigger.ts'
import type { CronTrigger } from './declare.ts'
import { decide, type Decision, parseCron, type Ticks } from './next.ts'
import { scheduleId, specOf, toEvent } from './normalize.ts'
import type { Advance, DueSchedule, Missed, Schedules, ScheduleSpec } from './schedules.ts'

export interface CronAdapterDeps {
  readonly schedules: Schedules
  readonly logger: Logger
  /** From 0 up to 1, for jitter. Default Math.random. */
  readonly random?: () => number
}

/** A declaration that can be served. */
interface Served extends ScheduleSpec {
  readonly subscription: Subscription<CronTrigger>
  readonly ticks: Ticks
  readonly windowMs: number
  readonly jitterMs: number
}

const KEEP_EVERY_MS = 15_000
/** The heartbeat wakes it long before, unless the clock on the wall was set back. */
const LOOP_MS = 5_000
const MAX_OPTION_MS = 365 * 86_400_000

/**
 * The cron trigger. A tick becomes an event first, and then the schedule goes on, in one transaction that holds it: who
 * dies in between leaves it due, and the ledger knows the event already.
 */
export function createCronAdapter({
  schedules,
  logger,
  random = Math.random,
}: CronAdapterDeps): TriggerAdapter<CronTrigger> {
  let emit: Emit | null = null
  let served: readonly Served[] = []
  let problems: readonly TriggerProblem[] = []
  let loop: Loop | null = null
  let heartbeat: ScheduledTask | null = null
  let timer: NodeJS.Timeout | undefined
  let declared = false
  let keptAt = 0
  let failing = false

  const declare = async (subscriptions: readonly Subscription<CronTrigger>[]): Promise<void> => {
    const read = subscriptions.map(readDeclaration)
    served = read.flatMap((result) => ('problem' in result ? [] : [result]))
    problems = read.flatMap((result) => ('problem' in result ? [result.problem] : []))
    declared = false
    await sync()
  }
  const sync = async (): Promise<void> => {
    const wanted = served
    await schedules.sync(wanted)
    if (wanted === served) declared = true
    keptAt = performance.now()
  }
  const round = async (): Promise<void> => {
    if (!declared) await sync()
    if (performance.now() - keptAt > KEEP_EVERY_MS) {
      await schedules.keep(served)
      keptAt = performance.now()
    }
    const asked = served
    const nextMs = await schedules.fireDue(asked, (due) =>
      fire(asked, due, { schedules, emit, random, logger }),
    )
    clearTimeout(timer)
    if (nextMs !== null && nextMs < LOOP_MS) timer = setTimeout(() => loop?.wake(), Math.ceil(nextMs)).unref()
    if (failing) logger.info({}, 'cron ticks again')
    failing = false
  }
  const onError = (error: unknown): void => {
    if (!failing) logger.warn({ err: error }, 'cron cannot tick: it is tried again each second')
    failing = true
  }

  return {
    kind: 'cron',
    async start(subscriptions, to) {
      emit = to
      await declare(subscriptions)
      loop = startLoop(round, { everyMs: LOOP_MS, onError })
      heartbeat = everySecond('* * * * * *', () => loop?.wake(), { suppressMissedWarning: true, unref: true })
    },
    async update(subscriptions) {
      await declare(subscriptions)
      loop?.wake()
    },
    problems: () => problems,
    async stop() {
      await heartbeat?.destroy()
      await loop?.stop()
      clearTimeout(timer)
      emit = null
    },
  }
}

type FireDeps = Required<CronAdapterDeps> & { readonly emit: Emit | null }

async function fire(asked: readonly Served[], due: DueSchedule, deps: FireDeps): Promise<Advance> {
  const schedule = asked.find(({ id }) => id === due.id)
  const { emit, logger } = deps
  if (!schedule || !emit) throw new TappetError('TPT_SHUTDOWN', `${due.id} is not served any more`)
  try {
    return await fireTicks(schedule, due, { ...deps, emit })
  } catch (error) {
    logger.warn({ err: error, schedule: due.id }, 'a tick made no event yet: it is tried again')
    throw error
  }
}

async function fireTicks(
  { subscription, ticks, windowMs, jitterMs }: Served,
  due: DueSchedule,
  { schedules, emit, random }: FireDeps & { readonly emit: Emit },
): Promise<Advance> {
  const { functionId, index, trigger } = subscription
  const { catchUp, overlap } = trigger
  const decision = decide(ticks, { next: due.nextAt, now: due.now, catchUp, windowMs })
  const busy = overlap === 'skip' && decision.fire.length > 0 && (await schedules.busy(functionId, index))
  // Each tick of a catch-up would find the run of the one before: only the newest counts.
  const alone = overlap === 'skip' ? decision.fire.slice(-1) : decision.fire
  const fired = busy ? [] : alone
  const emits = fired.map((tick, i) => {
    const event = toEvent(subscription, tick, fired[i - 1] ?? due.previousAt)
    return emit(event, [subscription], { delayMs: Math.floor(random() * (jitterMs + 1)) })
  })
  const failed = (await Promise.allSettled(emits)).find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
  return {
    nextAt: decision.next,
    previousAt: fired.at(-1) ?? due.previousAt,
    skipped: decision.skipped + decision.fire.length - fired.length,
    missed: missedOf(decision, fired, { catchUp, busy }),
  }
}

function missedOf(
  { missed }: Decision,
  fired: readonly Date[],
  how: Pick<Missed, 'catchUp' | 'busy'>,
): Missed | null {
  return missed && { ...missed, made: fired.filter((tick) => tick <= missed.last).length, ...how }
}

function readDeclaration(
  subscription: Subscription<CronTrigger>,
): Served | { readonly problem: TriggerProblem } {
  const { functionId, trigger } = subscription
  const { expression, timezone, catchUp, catchUpWindow, overlap, jitter } = trigger
  try {
    const ticks = parseCron(expression, timezone)
    checkChoice('catchUp', catchUp, ['skip', 'latest', 'all'])
    checkChoice('overlap', overlap, ['allow', 'skip', 'queue'])
    const windowMs = durationOf('catchUpWindow', catchUpWindow)
    const jitterMs = durationOf('jitter', jitter)
    const spec = { id: scheduleId(subscription), functionId, expression, timezone, spec: specOf(trigger) }
    return { ...spec, subscription, ticks, windowMs, jitterMs, after: ticks.after }
  } catch (error) {
    return { problem: { functionId, label: trigger.label, message: (error as Error).message } }
  }
}

function checkChoice(option: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return
  const expected = choices.map((choice) => `'${choice}'`).join(', ')
  throw new TappetError(
    'TPT_FUNCTION_INVALID',
    `\`${option}\` must be one of ${expected}, got ${JSON.stringify(value)}`,
  )
}

function durationOf(option: string, value: Duration): number {
  let ms: number
  try {
    ms = toMs(value)
  } catch (cause) {
    throw new TappetError('TPT_FUNCTION_INVALID', `\`${option}\` ${(cause as Error).message}`, { cause })
  }
  if (ms <= MAX_OPTION_MS) return ms
  throw new TappetError(
    'TPT_FUNCTION_INVALID',
    `\`${option}\` must be at most '365d', got ${JSON.stringify(value)}`,
  )
}
