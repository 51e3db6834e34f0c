/**
 * The same question, but asked once for all who ask within `freshMs` of when it was asked last. An answer that failed is not
 * kept.
 */
export function shareAnswer<Answer>(ask: () => Promise<Answer>, freshMs: number): () => Promise<Answer> {
  let last: { readonly askedAt: number; readonly answer: Promise<Answer> } | null = null
  return () => {
    if (last && performance.now() - last.askedAt < freshMs) return last.answer
    const asked = { askedAt: performance.now(), answer: ask() }
    last = asked
    asked.answer.catch(() => {
      if (last === asked) last = null
    })
    return asked.answer
  }
}
