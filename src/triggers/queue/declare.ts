import type { Input, Output, Schema } from '../../lib/schema.ts'
import type { Trigger } from '../trigger.ts'
import type { QueueEvent } from './event.ts'

export interface QueueTrigger<Event extends QueueEvent = QueueEvent, Sent = unknown> extends Trigger<Event> {
  readonly kind: 'queue'
  /** Its name; also the `type` of the CloudEvents that it takes. */
  readonly queue: string
  /** Carries the type that `send` accepts. Never set at run time. */
  readonly '~sent'?: Sent
}

/** Runs a function for each message of a queue, and names that queue for `ctx.send`. */
export function queue<Data extends Schema = Schema>(
  name: string,
  { data }: { readonly data?: Data } = {},
): QueueTrigger<QueueEvent<Output<Data>>, Input<Data>> {
  return { kind: 'queue', label: `queue ${name}`, queue: name, schemas: data ? { data } : {} }
}
