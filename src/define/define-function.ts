import type { Duration } from '../lib/duration.ts'
import type { Output, Schema } from '../lib/schema.ts'
import type { Trigger } from '../triggers/trigger.ts'
import type { Context } from './context.ts'

type Triggers = Trigger | readonly Trigger[]

/** The event that a handler receives: the union of what its triggers carry, discriminated by `type`. */
export type EventOf<On extends Triggers> = On extends readonly (infer T)[]
  ? T extends Trigger<infer Event>
    ? Event
    : never
  : On extends Trigger<infer Event>
    ? Event
    : never

/** Names of environment variables, or a schema of an object with a property for each. */
export type Variables = readonly string[] | Schema

/** What `ctx.env` is: text by name, or what the schema makes of it. */
export type EnvOf<Env extends Variables> = Env extends readonly string[]
  ? Readonly<Record<Env[number], string | undefined>>
  : Env extends Schema
    ? Output<Env>
    : never

export interface RetryPolicy {
  /** Tries in all, the first included. Default 5. */
  readonly attempts: number
  /** Wait before the second try. Default `1s`. */
  readonly delay: Duration
  /** Each wait is this many times the one before. Default 2. */
  readonly factor: number
  /** No wait is longer than this. Default `5m`. */
  readonly maxDelay: Duration
  /** Share of each wait that is random, 0 to 1, so that failed runs do not come back together. Default 0.2. */
  readonly jitter: number
}

export interface FunctionOptions<On extends Triggers = Triggers, Env extends Variables = Variables> {
  /** What it runs on: one trigger or several. */
  readonly on: On
  /** What happens after a failed attempt; `false`: one attempt only. */
  readonly retry?: Partial<RetryPolicy> | false
  /** Longest one attempt may take. Default `30s`. */
  readonly timeout?: Duration
  /** Most attempts of this function at once, over the whole cluster. Default: no limit. */
  readonly concurrency?: number
  /**
   * Most runs at once in one of its processes. Default 10, which suits functions that wait. 1: each run has a process to
   * itself while it lasts, and no other run can disturb it.
   */
  readonly instanceConcurrency?: number
  /** Most processes of this function on each worker; runs beyond wait. Default: as many as it takes. */
  readonly maxInstances?: number
  /** Processes that each worker keeps ready, even when nothing runs. Default 0: the last ends after an idle minute. */
  readonly provisioned?: number
  /**
   * Most memory of one of its processes, on top of the 45 MB or so of an empty one, in MB, from 32 on. Default 512. Beyond it,
   * an attempt fails with TPT_OUT_OF_MEMORY.
   */
  readonly memory?: number
  /**
   * Most processes that one of its processes may have started and that are still there, from 1 on. Default 64. Beyond
   * it, all are killed, and the attempt fails with TPT_TOO_MANY_PROCESSES.
   */
  readonly maxProcesses?: number
  /** Events with the same key run once. By default the event's own `source` and `id`. */
  readonly idempotencyKey?: (event: EventOf<On>) => string
  /**
   * Runs of events with the same key do not overlap, and start in the order in which their events were accepted. A retry
   * holds up its own key only; a dead or cancelled run lets the next one go, and starts behind the others if it is
   * replayed. Default: no order.
   */
  readonly orderingKey?: (event: EventOf<On>) => string
  /**
   * `sandbox`: its process sees no files but Node, libraries and a `/tmp` of its own, and no network; see docs/runtime.md.
   * To be written as it stands, not computed. Where a sandbox cannot be had, the function is refused. Default `process`.
   */
  readonly isolation?: 'process' | 'sandbox'
  /** In a sandbox, whether it may use the network, loopback included. Default false. */
  readonly network?: boolean
  /**
   * Environment variables that its process gets beside `NODE_ENV`, `TZ`, `LANG`, `PATH`, `HOME` and `TMPDIR`: their names,
   * or a schema such as `z.object({ PORT: z.coerce.number() })`, which is checked when a worker starts. They are in
   * `process.env` as text, and in `ctx.env` as the schema makes them.
   */
  readonly env?: Env
  /**
   * Names of variables whose values are secret, in `env` or beside it: where one of 8 characters or more stands in a log
   * line or a failure, its name is written instead.
   */
  readonly secrets?: readonly string[]
  /** Name of the environment variable with the URL of `ctx.db`. Default: the ledger's database. */
  readonly database?: string
}

export interface FunctionDefinition<
  On extends Triggers = Triggers,
  Result = unknown,
  Env extends Variables = Variables,
> {
  readonly options: FunctionOptions<On, Env>
  readonly handler: (event: EventOf<On>, ctx: Context<EnvOf<Env>>) => Result | Promise<Result>
}

/** Declares a function. Does nothing else: the broker finds it by its file, and its id is its path. */
export function defineFunction<const On extends Triggers, Result, const Env extends Variables = readonly []>(
  options: FunctionOptions<On, Env>,
  handler: (event: EventOf<On>, ctx: Context<EnvOf<Env>>) => Result | Promise<Result>,
): FunctionDefinition<On, Result, Env> {
  return { options, handler }
}
