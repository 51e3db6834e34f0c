import type { Audit } from '../access/audit.ts'
import type { Keys } from '../access/keys.ts'
import type { AlertDesk } from '../alerts/desk.ts'
import type { ErrorCode } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import type { Job, Queue } from '../queue/queue.ts'
import type { LoadedFunction } from '../runtime/runtime.ts'
import type { Bulks } from '../store/bulks.ts'
import type { Reader } from '../store/reader.ts'
import type { Store } from '../store/store.ts'
import type { AwaitRun, Emit, TriggerProblem } from '../triggers/trigger.ts'
import type { UnfinishedUpload } from '../triggers/upload/adapter.ts'
import type { Metrics } from './metrics.ts'
import type { HttpServer } from './server.ts'
import type { Stream } from './stream/stream.ts'

/** What the admin routes work with. */
export interface AdminDeps {
  /** Not listening yet. */
  readonly server: HttpServer
  readonly store: Store
  readonly reader: Reader
  readonly bulks: Bulks
  readonly stream: Stream
  readonly keys: Keys
  readonly audit: Audit
  readonly logger: Logger
  readonly queue: Queue
  readonly metrics: Metrics
  readonly emit: Emit
  readonly enqueue: (jobs: readonly Job[]) => void
  readonly awaitRun: AwaitRun
  readonly catalog: () => LoadedCatalog
  readonly triggerProblems: () => readonly TriggerProblem[]
  readonly alerts: AlertDesk
  readonly databases: () => Promise<readonly DatabaseState[]>
  /** What is still coming into this process's storage, at most so many. */
  readonly unfinishedUploads: (most: number) => Promise<readonly UnfinishedUpload[]>
  readonly schedules: {
    list(): Promise<readonly Schedule[]>
    missed(mostOfEach: number): Promise<readonly MissedTicks[]>
  }
  /** What must hold for this process to do its work. */
  readonly checks: () => Promise<readonly Check[]>
  /** From the first signal on: load balancers should look elsewhere. Default never. */
  readonly stopping?: () => boolean
  /** Whether `/metrics` answers without a key. Default no: labels name functions, queues and event types. */
  readonly openMetrics?: boolean
}

/** A database to whose tables functions are bound. */
export interface DatabaseState {
  /** The environment variable with its URL; null: that of the ledger. */
  readonly database: string | null
  readonly tables: readonly {
    readonly table: string
    readonly functions: readonly { readonly functionId: string; readonly label: string }[]
  }[]
  /** What would have to change for it to be as declared, for people. */
  readonly changes: readonly string[]
  readonly problems: readonly TriggerProblem[]
  /** Why it could not be looked at. */
  readonly error: string | null
  /** Null where nothing of ours is drained. */
  readonly outbox: {
    readonly rows: number
    readonly oldestMs: number
    readonly leader: boolean
    readonly reconnects: number
  } | null
}

export interface LoadedCatalog {
  readonly functions: readonly LoadedFunction[]
  readonly problems: readonly { readonly file: string; readonly code: ErrorCode; readonly message: string }[]
}

export interface Schedule {
  readonly id: string
  readonly functionId: string
  readonly expression: string
  readonly timezone: string
  readonly nextAt: Date | null
  readonly previousAt: Date | null
  readonly skipped: number
}

/** Ticks that nobody decided in time, and what `catchUp` made of them. */
export interface MissedTicks {
  /** The schedule's id. */
  readonly schedule: string
  readonly foundAt: Date
  readonly first: Date
  readonly last: Date
  readonly count: number
  /** How many of them became events all the same. */
  readonly made: number
  readonly catchUp: 'skip' | 'latest' | 'all'
  /** None was made because the run of an earlier tick was under way. */
  readonly busy: boolean
}

/** One thing that must be true for this process to do its work. */
export interface Check {
  readonly name: string
  readonly ok: boolean
  /** What was found, in a few words, for holders of a key; no secrets all the same. */
  readonly detail: string
  /** Worth knowing, but the process is ready all the same. */
  readonly advisory?: boolean
  /** What to do about it, when it is not, or could be better. */
  readonly fix?: string
}
