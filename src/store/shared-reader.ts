import type { Reader } from './reader.ts'

/** What every viewer of the overview asks alike, and costs the ledger a look at a day's runs. */
const SHARED = ['functionStats', 'minutes'] as const

/**
 * The same reader, but what all viewers ask alike is asked once for all who ask within `freshMs`. An answer that failed is
 * not kept.
 */
export function shareAnswers(reader: Reader, freshMs = 5_000): Reader {
  const share = <Answer>(ask: () => Promise<Answer>): (() => Promise<Answer>) => {
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
  const shared = SHARED.map((name) => [name, share<unknown>(() => reader[name]())])
  return { ...reader, ...(Object.fromEntries(shared) as Pick<Reader, (typeof SHARED)[number]>) }
}
