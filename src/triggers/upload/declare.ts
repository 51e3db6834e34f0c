import type { Trigger } from '../trigger.ts'
import type { UploadEvent } from './event.ts'

export interface UploadTrigger<Event extends UploadEvent = UploadEvent> extends Trigger<Event> {
  readonly kind: 'upload'
  /** Keys that it wants: `:name` for one segment, `*` within a segment, `**` for the rest. */
  readonly pattern: string
  /** Content types, `image/*` included; empty for any. */
  readonly accept: readonly string[]
  readonly maxBytes: number
}

export interface UploadOptions {
  /** Content types that are taken, told from the content: `['image/*']`. Default: any. */
  readonly accept?: readonly string[]
  /** Largest file in bytes. Default 100 MB. */
  readonly maxBytes?: number
}

const DEFAULT_MAX_BYTES = 100_000_000

/** Runs a function when a file is stored: `upload('avatars/:userId/**', { accept: ['image/*'] })`. */
export function upload<const Pattern extends string>(
  pattern: Pattern,
  options: UploadOptions = {},
): UploadTrigger<UploadEvent<Pattern>> {
  return {
    kind: 'upload',
    label: `upload ${pattern}`,
    pattern,
    accept: options.accept ?? [],
    maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
    schemas: {},
  }
}
