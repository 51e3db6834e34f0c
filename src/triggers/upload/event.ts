import type { Envelope } from '../../events/envelope.ts'
import type { PathParams } from '../../lib/path-pattern.ts'

export interface UploadedFile<Pattern extends string = string> {
  /** Id of this version of the file, `file_…`. */
  readonly id: string
  readonly key: string
  readonly params: PathParams<Pattern>
  readonly size: number
  /** Told from the content's first bytes, not from what the sender says. */
  readonly contentType: string
  readonly sha256: string
  /** The sender's name for it, if it gave one. Never used as a path. */
  readonly filename: string | null
}

export type UploadEvent<Pattern extends string = string> = Envelope<'upload.created', UploadedFile<Pattern>>
