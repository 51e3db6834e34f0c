import type { Envelope } from '../../events/envelope.ts'

export interface QueueEvent<Data = unknown> extends Envelope<'queue.message', Data> {
  readonly message: {
    readonly queue: string
    /** Attributes that came with it: CloudEvents extensions, headers. */
    readonly headers: Readonly<Record<string, string>>
  }
}
