import type { Facts, Memory, Notice, OpenAlert } from './alert.ts'
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
  failed(id: string, delayMs: number): Promise<void>
  /** Drops what could not be delivered for so long; says how many. */
  giveUp(olderThanMs: number): Promise<number>
}
