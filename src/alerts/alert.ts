/** What somebody is told of. The kind names the sort of trouble, the subject the function or schedule that has it. */
export type AlertKind = 'function.failing' | 'queue.aging' | 'schedule.missed' | 'dead_letters.new'

/** Something that is wrong now. */
export interface Condition {
  readonly kind: AlertKind
  readonly subject: string
  /** One line for people. */
  readonly message: string
}

/** A condition that somebody has been told of. */
export interface OpenAlert extends Condition {
  /** `alr_…` */
  readonly id: string
  /** RFC 3339, by the database's clock. */
  readonly since: string
  /** How long ago it held last. */
  readonly quietMs: number
}

/** What is sent: the same to all destinations, which differ in how they write it. */
export interface Notice {
  /** `alert.test`: nothing is wrong, somebody wanted to see whether it arrives. */
  readonly type: 'alert.firing' | 'alert.resolved' | 'alert.test'
  /** RFC 3339. */
  readonly timestamp: string
  readonly data: Omit<OpenAlert, 'quietMs' | 'kind'> & { readonly kind: AlertKind | 'test' }
}

/** From when on something counts as wrong. */
export interface Thresholds {
  /** How far back failures and dead letters count. */
  readonly windowMs: number
  /** Failed runs of a function within the window. */
  readonly failures: number
  readonly queueAgeMs: number
}

/** What the ledger says, by its own clock. */
export interface Facts {
  readonly nowMs: number
  /** Of a function's newest runs within the window: how many completed, and how many are dead or wait to be tried again. */
  readonly functions: readonly {
    readonly functionId: string
    readonly failed: number
    readonly completed: number
    readonly lastError: string | null
  }[]
  /** Runs that became dead letters within the window. */
  readonly dead: readonly {
    readonly functionId: string
    readonly count: number
    readonly lastError: string | null
  }[]
  /** Functions that are paused are left out. */
  readonly queues: readonly {
    readonly functionId: string
    readonly waiting: number
    readonly oldestMs: number | null
  }[]
  readonly schedules: readonly {
    readonly id: string
    readonly functionId: string
    readonly expression: string
    /** How long its next tick has been due; below 0: it is still to come. Null: there is none. */
    readonly lateMs: number | null
    readonly skipped: number
  }[]
}

/** What one round tells the next: ticks left out of each schedule, and when that number grew last. */
export type Memory = Readonly<Record<string, { readonly skipped: number; readonly grewMs: number | null }>>
