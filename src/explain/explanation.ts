/** What there is to say of an error code beyond its line in the table of `errors.ts`. Markdown, without headings. */
export interface Explanation {
  /** When it comes, one sentence each. */
  readonly causes: readonly string[]
  /** What to do, the most likely first. */
  readonly remedies: readonly string[]
  /** What becomes of it when nobody does anything, and whether it makes sense to try again. */
  readonly retry: string
}
