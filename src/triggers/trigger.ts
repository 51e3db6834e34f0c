import type { Failure } from '../errors.ts'
import type { Envelope } from '../events/envelope.ts'
import type { Schema } from '../lib/schema.ts'

/**
 * A declaration: which events a function wants. Plain data but for `schemas`, safe to import anywhere; the adapter
 * of the same `kind` makes it happen. The broker sees it as JSON, with `schemas` reduced to the names of its paths.
 */
export interface Trigger<Event extends Envelope = Envelope> {
  readonly kind: string
  /** How people name it in logs and listings: `POST /orders`, `orders insert`. */
  readonly label: string
  /** Which parts of the event each schema describes, as a dotted path: `data`, `request.query`, `change.before`. */
  readonly schemas: Readonly<Record<string, Schema>>
  /** Those of these paths at which null stands for nothing: it is not for their schemas to judge. Default none. */
  readonly mayBeNull?: readonly string[]
  /** The function's runs may not overlap: as if it said `concurrency: 1`. */
  readonly oneAtATime?: boolean
  /** Carries the event type to the handler. Never set at run time. */
  readonly '~event'?: Event
}

/** A trigger as it leaves the function's process: JSON, `schemas` as the list of paths that have one. */
export type Declared<T extends Trigger = Trigger> = Omit<T, 'schemas' | '~event' | '~sent'> & {
  readonly schemas: readonly string[]
  /** For people to try it with: what the schemas take, by their path, where one could be made. */
  readonly samples?: Readonly<Record<string, unknown>>
  /** What they take as JSON Schema 2020-12, by their path, where their library can say it. */
  readonly jsonSchemas?: Readonly<Record<string, unknown>>
}

/** One trigger of one function: the unit that an adapter listens for and the broker routes by. */
export interface Subscription<T extends Trigger = Trigger> {
  readonly functionId: string
  /** Place of the trigger in the function's `on`. */
  readonly index: number
  readonly trigger: Declared<T>
}

export interface EmitOptions {
  /** Runs may not start earlier than this long from now. Default 0. */
  readonly delayMs?: number
  /**
   * What happens to an event that a function's schema does not accept. `refuse` (default): nothing is stored, and
   * emit rejects with TPT_EVENT_INVALID and the issues. `keep`: it is stored, and its run becomes a dead letter; for
   * sources that cannot be told "no", such as a committed row.
   */
  readonly invalid?: 'refuse' | 'keep'
  /** Most tries of the runs, where the function's own policy has more: for callers who try again themselves. */
  readonly maxAttempts?: number
  /** More names of the same occurrence. An event with any name that is known is a duplicate. */
  readonly aliases?: readonly string[]
  /** The run that sent it, where a run did. */
  readonly cause?: string
}

/**
 * Resolves once the event is durable, with one run per subscription. Only then may the adapter acknowledge.
 * Waiting for it is the back-pressure.
 *
 * @throws TappetError TPT_EVENT_INVALID (see `invalid`), TPT_UNAVAILABLE when the ledger does not answer within 2 s,
 *   TPT_SHUTDOWN while stopping. Nothing was promised then; a repeat with the same id is safe.
 */
export type Emit = (
  event: Envelope,
  subscriptions: readonly Subscription[],
  options?: EmitOptions,
) => Promise<Accepted>

export interface Accepted {
  /** The ledger's id of the event, `evt_…`. */
  readonly eventId: string
  /** One per subscription; when this one is a duplicate, those of the first delivery that are still kept. */
  readonly runIds: readonly string[]
  /** The ledger already had an event with this `source` and `id`. */
  readonly duplicate: boolean
}

/** What a run came to. */
export interface RunEnd {
  readonly state: 'completed' | 'dead' | 'cancelled'
  /** What the function returned, as JSON. */
  readonly result: unknown
  readonly failure: Failure | null
}

/** Waits for a run to be over. Null when it is not within `timeoutMs`. */
export type AwaitRun = (
  runId: string,
  timeoutMs: number,
  options?: {
    /** The run is not new: it may be over already. Default false. */
    readonly duplicate?: boolean
  },
) => Promise<RunEnd | null>

/** The extension point. A new event source is a folder with a declaration, a normalizer and one of these. */
export interface TriggerAdapter<T extends Trigger = Trigger> {
  readonly kind: T['kind']
  /**
   * Resolves when events can arrive. A declaration that cannot be served is reported through `problems`, and the
   * others are served. Rejects only if the source as a whole cannot be had.
   */
  start(subscriptions: readonly Subscription<T>[], emit: Emit): Promise<void>
  /** Replaces the subscriptions while running, without a gap for those that stay. */
  update(subscriptions: readonly Subscription<T>[]): Promise<void>
  /** Declarations that are not served at the moment, and why. */
  problems(): readonly TriggerProblem[]
  /** Takes no more in, then resolves when every started `emit` has settled. Idempotent. */
  stop(): Promise<void>
}

export interface TriggerProblem {
  readonly functionId: string
  readonly label: string
  /** What was expected, what is there: one sentence. */
  readonly message: string
}
