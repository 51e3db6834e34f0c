import type { JsonSchema } from './ui/schema-form.tsx'

/** What the admin API answers, as far as the pages read it; `docs/api-reference.md` has all of it. */
export type State = 'accepted' | 'queued' | 'running' | 'completed' | 'retrying' | 'dead' | 'cancelled'

export interface Failure {
  readonly name: string
  readonly message: string
  readonly stack: string | null
  readonly code: string | null
}

export interface Run {
  readonly id: string
  readonly functionId: string
  readonly eventId: string
  readonly state: State
  readonly trigger: number
  readonly attempt: number
  readonly maxAttempts: number
  readonly worker: string | null
  readonly held: boolean
  readonly dueAt: string
  readonly createdAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly failure: Failure | null
  readonly fingerprint?: string | null
  readonly result?: unknown
}

export interface Attempt {
  readonly lease: number
  readonly number: number
  readonly outcome: 'completed' | 'retry' | 'dead' | 'released' | 'lost' | 'cancelled'
  readonly worker: string | null
  readonly version: string | null
  readonly startedAt: string
  readonly finishedAt: string
  readonly failure: Failure | null
}

export interface LogLine {
  readonly seq?: string
  readonly runId: string
  readonly attempt: number
  readonly time: string
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>> | null
}

export interface EventRecord {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject?: string
  readonly time: string
  readonly receivedAt: string
  readonly data?: unknown
  readonly change?: { readonly before?: unknown; readonly after?: unknown }
}

export interface RunPage {
  readonly run: Run
  readonly event: EventRecord | null
  readonly attempts: readonly Attempt[]
  readonly logs: readonly LogLine[]
}

export interface ListedEvent {
  readonly id: string
  readonly eventId: string
  readonly source: string
  readonly type: string
  readonly subject: string | null
  readonly receivedAt: string
  readonly cause: string | null
  readonly bytes: number
  readonly runs: readonly { readonly id: string; readonly functionId: string; readonly state: State }[]
}

export interface Trigger {
  readonly kind: string
  readonly label: string
  /** Of the keys, for uploads. */
  readonly pattern?: string
  readonly samples?: Readonly<Record<string, unknown>>
  readonly jsonSchemas?: Readonly<Record<string, JsonSchema>>
}

export interface Func {
  readonly id: string
  readonly file: string
  readonly version: string
  readonly triggers: readonly Trigger[]
  readonly retry: { readonly attempts: number; readonly delayMs: number; readonly factor: number }
  readonly timeoutMs: number
  readonly concurrency: number | null
  readonly env: readonly string[]
  readonly runtime?: string
}

export interface FunctionStats {
  readonly functionId: string
  readonly completed: number
  readonly dead: number
  readonly success: number | null
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  readonly lastError: string | null
}

export interface ErrorGroup {
  readonly functionId: string
  readonly fingerprint: string | null
  readonly code: string
  readonly message: string
  readonly count: number
  readonly firstAt: string
  readonly lastAt: string
  readonly sample: string
  readonly isNew?: boolean
}

export interface Minute {
  readonly from: string
  readonly completed: number
  readonly dead: number
  readonly queueP95Ms: number | null
}

export interface Overview {
  readonly version: string
  readonly functions: number
  readonly states: Readonly<Partial<Record<State, number>>>
  readonly minutes: readonly Minute[]
  readonly problems: readonly {
    readonly kind: string
    readonly subject: string
    readonly message: string
    readonly fix: string | null
  }[]
}

export interface Schedule {
  readonly id: string
  readonly functionId: string
  readonly expression: string
  readonly timezone: string
  readonly nextAt: string | null
  readonly previousAt: string | null
  readonly skipped: number
  readonly next: readonly string[]
  readonly catchUp: 'skip' | 'latest' | 'all' | null
  readonly catchUpWindow: string | null
  readonly overlap: 'allow' | 'skip' | 'queue' | null
  readonly missed: readonly MissedTicks[]
}

/** Ticks that nobody decided in time. */
export interface MissedTicks {
  readonly foundAt: string
  readonly first: string
  readonly last: string
  readonly count: number
  readonly made: number
  readonly catchUp: 'skip' | 'latest' | 'all'
  readonly busy: boolean
}

export interface QueueState {
  readonly functionId: string
  readonly waiting: number
  readonly running: number
  readonly later: number
  readonly oldestMs: number | null
  readonly paused: boolean
}

export interface WorkerState {
  readonly id: string
  readonly host: string
  readonly pid: number
  readonly startedAt: string
  readonly heartbeatAt: string
  readonly running: number
}

export interface Bucket {
  readonly from: string
  readonly completed: number
  readonly dead: number
  readonly cancelled: number
  readonly open: number
}
