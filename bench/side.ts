/** One side of a comparison: a no-op that has been accepted and completed. */
export interface Side {
  readonly name: string
  /** Does one, from handing it in to its end. */
  once(): Promise<void>
  /** Where the time went, for sides that know. */
  breakdown?(): Readonly<Record<string, number>>
  close(): Promise<void>
}
