/** One action on all runs that a filter finds, done in small steps: a row of the ledger, so that it outlives a process. */
export interface Bulk {
  /** `bulk_…` */
  readonly id: string
  readonly action: BulkAction
  /** As it was typed. */
  readonly filter: string
  readonly state: 'running' | 'done' | 'stopped'
  /** Runs a second, at most. */
  readonly rate: number
  /** How many it may touch: those that matched when it was made, or its limit. */
  readonly total: number
  readonly done: number
  /** Had moved on before their turn, or have no code here. */
  readonly skipped: number
  readonly reason: string | null
  readonly createdAt: Date
  /** Name of the key. */
  readonly createdBy: string
  readonly finishedAt: Date | null
}

export const BULK_ACTIONS = ['replay', 'cancel'] as const
export type BulkAction = (typeof BULK_ACTIONS)[number]

export type NewBulk = Pick<Bulk, 'id' | 'action' | 'filter' | 'rate' | 'total' | 'reason' | 'createdBy'>

/** A bulk action whose next step is ours for {@link STEP_MS}. */
export interface BulkTurn extends Bulk {
  /** Runs with greater ids are still to come: oldest first, so that runs with one ordering key keep their order. */
  readonly cursor: string
}

export interface BulkStep {
  readonly id: string
  /** The cursor that the step began with: if another has moved it, nothing is written. */
  readonly from: string
  readonly cursor: string
  readonly done: number
  readonly skipped: number
  /** Nothing is left. */
  readonly over: boolean
  /** Until the next step. */
  readonly pauseMs: number
}

/** How long a step may take before another process takes it over. */
export const STEP_MS = 10_000

/** The ledger's table of bulk actions. Every method rejects with TPT_UNAVAILABLE when the database does not answer. */
export interface Bulks {
  create(bulk: NewBulk): Promise<Bulk>
  show(id: string): Promise<Bulk | null>
  /** Newest first, only those older than `before`. */
  list(limit: number, before?: string): Promise<readonly Bulk[]>
  /** No further step is begun. Null: no such bulk action; one that is over stays as it is. */
  stop(id: string): Promise<Bulk | null>
  /** Takes the next step of one that is due; null if none is. */
  take(): Promise<BulkTurn | null>
  /** Says on the runs that this bulk action touches them. */
  mark(id: string, runIds: readonly string[]): Promise<void>
  /** How many runs after the cursor were touched by a process that died before it could say so. */
  uncounted(turn: BulkTurn): Promise<number>
  advance(step: BulkStep): Promise<void>
}
