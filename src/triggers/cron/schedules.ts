import type { CronTrigger } from './declare.ts'

/** A schedule as a process declares it. */
export interface ScheduleSpec {
  /** Function id, `#`, place of the trigger in `on`. */
  readonly id: string
  readonly functionId: string
  readonly expression: string
  readonly timezone: string
  /** Changes with whatever changes the ticks. */
  readonly spec: string
  /** The first tick after an instant; null when there is none. */
  after(instant: Date): Date | null
}

export interface ScheduleRow {
  readonly id: string
  readonly functionId: string
  readonly expression: string
  readonly timezone: string
  readonly spec: string
  /** The first tick that has not been decided yet. */
  readonly nextAt: Date | null
  /** The last tick that made an event. */
  readonly previousAt: Date | null
  /** Ticks left out by catch-up or overlap. */
  readonly skipped: number
  /** Some process has said within the last minute that it has this spec. */
  readonly served: boolean
}

export interface DueSchedule {
  readonly id: string
  readonly nextAt: Date
  readonly previousAt: Date | null
  /** By the database's clock. */
  readonly now: Date
}

export interface Advance {
  readonly nextAt: Date | null
  readonly previousAt: Date | null
  /** How many more ticks were left out. */
  readonly skipped: number
  /** Ticks that nobody decided in time; null: all were on time. */
  readonly missed: Missed | null
}

/** Ticks that nobody decided in time, and what `catchUp` made of them. */
export interface Missed {
  readonly first: Date
  readonly last: Date
  /** Counted up to 1,000. */
  readonly count: number
  /** How many of them became events all the same. */
  readonly made: number
  /** As it was declared then. */
  readonly catchUp: CronTrigger['catchUp']
  /** None was made because the run of an earlier tick was under way (`overlap: 'skip'`). */
  readonly busy: boolean
}

/** They are known for 30 days. */
export interface MissedRow extends Missed {
  /** The schedule's id. */
  readonly schedule: string
  readonly foundAt: Date
}

export const MISSED_KEPT_MS = 30 * 86_400_000

/** Which version of a schedule a process can fire. */
export type ServedSpec = Pick<ScheduleSpec, 'id' | 'spec'>

/** A spec that nobody has kept for this long may be replaced by another version's. */
export const UNSERVED_MS = 60_000
/** A schedule that nobody has kept for this long is removed. */
export const ABANDONED_MS = 7 * 86_400_000

/**
 * When each schedule is due next, shared by all processes. All times are the database's. Every method rejects with
 * TPT_UNAVAILABLE when the database does not answer.
 */
export interface Schedules {
  /**
   * Declares what this process fires. One that is new, or whose spec is another, begins with the next tick; one with
   * the same spec goes on where it was. Removes what is abandoned.
   */
  sync(declared: readonly ScheduleSpec[]): Promise<void>
  /**
   * Says that this process still fires them: to be called every 15 s. Adds those that are missing. A row with another
   * spec is left to the version of the function that has it, unless nobody has kept it for {@link UNSERVED_MS}.
   */
  keep(declared: readonly ScheduleSpec[]): Promise<void>
  /**
   * Hands each due schedule with a spec of ours to `fire`, to one process at a time, and never before its time. What
   * `fire` answers is stored; if it rejects, or we die before, the schedule stays due.
   *
   * @returns ms until the next one is due, null if there is none. Those that are due, but in another's hands or failed,
   *   do not count.
   */
  fireDue(served: readonly ServedSpec[], fire: (due: DueSchedule) => Promise<Advance>): Promise<number | null>
  /** Whether a run that this trigger of the function made is not over. */
  busy(functionId: string, index: number): Promise<boolean>
  /** All, those that are due first in front. */
  list(): Promise<readonly ScheduleRow[]>
  /** What was missed, what was found last first; at most so many of each schedule. */
  missed(mostOfEach: number): Promise<readonly MissedRow[]>
}
