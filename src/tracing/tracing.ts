import type { Envelope } from '../events/envelope.ts'
import { type Trace, traceOf } from '../events/trace.ts'
import type { Settled } from '../runtime/runtime.ts'
import type { Accepted } from '../triggers/trigger.ts'

/** An attempt that is about to be run. */
export interface TracedAttempt {
  readonly functionId: string
  readonly runId: string
  readonly attempt: number
  readonly event: Envelope
}

/** Tells of what happens as spans: the way of an event from where it came in to the functions that it caused. */
export interface Tracing {
  /** Accepts an event within a span of its own, which its runs follow. */
  emit(event: Envelope, work: (event: Envelope) => Promise<Accepted>): Promise<Accepted>
  /** Runs an attempt within a span that follows its event. `work` gets what the function, and what it sends, follows. */
  run(attempt: TracedAttempt, work: (trace: Trace) => Promise<Settled>): Promise<Settled>
}

/** Without anybody who wants spans: events hand on what they came with. */
export const NO_TRACING: Tracing = {
  emit: (event, work) => work(event),
  run: ({ event }, work) => work(traceOf({ ...event })),
}
