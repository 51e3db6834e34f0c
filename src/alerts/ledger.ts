import type { Condition, Facts, Memory, Notice, OpenAlert } from './alert.ts'
import type { Changes } from './decide.ts'

export interface Round {
  readonly number: string
  readonly memory: Memory
}

/** A message that is to be sent now, by who asked for it. */
export interface DueNotice {
  /** `msg_…`, the same at each try: who gets it twice can tell. */
  readonly id: string
  readonly destination: string
  readonly notice: Notice
  /** This one included. */
  readonly attempts: number
  /** Unix seconds, by the database's clock. */
  readonly nowS: number
}

/** An alert that is not over, for people. */
export interface FiringAlert extends Condition {
  /** `alr_…` */
  readonly id: string
  readonly since: Date
}

/** A message, and what has become of it. */
export interface Telling {
  /** `msg_…` */
  readonly id: string
  readonly destination: string
  readonly notice: Notice
  readonly state: 'told' | 'waiting' | 'given up'
  readonly attempts: number
  /** Why it was not taken, the last time that it was tried; null: it was, or it has not been tried. */
  readonly error: string | null
  readonly createdAt: Date
  /** When it was taken or given up; of one that waits, when it is tried next. */
  readonly at: Date
}

/** A change that goes with what is told of it. */
export interface Settlement {
  readonly changes: Changes
  readonly notices: readonly { readonly id: string; readonly notice: Notice }[]
}

/** Alerts, shared by all processes. Every method rejects with TPT_UNAVAILABLE when the database does not answer. */
export interface AlertLedger {
  /** The next round, for one process; null while the last one is younger than `everyMs`. */
  takeRound(everyMs: number): Promise<Round | null>
  facts(windowMs: number): Promise<Facts>
  /**
   * Writes what `settle` makes of the open alerts, with a notice for each destination, in one transaction; nothing when
   * another round has begun since.
   */
  settle(
    round: Round,
    memory: Memory,
    destinations: readonly string[],
    settle: (open: readonly OpenAlert[]) => Settlement,
  ): Promise<void>
  /** Messages for these destinations, in order for each alert; nobody else gets them for a minute. */
  takeNotices(destinations: readonly string[]): Promise<readonly DueNotice[]>
  delivered(id: string): Promise<void>
  /** To be tried again. */
  failed(id: string, delayMs: number, error: string): Promise<void>
  /** Drops what could not be delivered for so long; says how many. */
  giveUp(olderThanMs: number): Promise<number>
  /** Writes down a message that was sent at once. */
  record(sent: Pick<Telling, 'id' | 'destination' | 'notice' | 'error'>): Promise<void>
  /** Forgets who was told of what before that. */
  forget(olderThanMs: number): Promise<void>
  /** The database's clock, in ms since 1970. */
  nowMs(): Promise<number>
  /** Newest first, at most 500. */
  firing(): Promise<readonly FiringAlert[]>
  /** Messages of these alerts, or of all, newest first. */
  tellings(of: { readonly alerts?: readonly string[]; readonly limit: number }): Promise<readonly Telling[]>
}
