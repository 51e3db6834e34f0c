import { shareAnswer } from '../lib/share.ts'
import type { Reader } from './reader.ts'

/** What every viewer of the overview asks alike, and costs the ledger a look at a day's runs. */
const SHARED = ['functionStats', 'minutes'] as const

/** The same reader, but what all viewers ask alike is asked once for all who ask within `freshMs`. */
export function shareAnswers(reader: Reader, freshMs = 5_000): Reader {
  const shared = SHARED.map((name) => [name, shareAnswer<unknown>(() => reader[name](), freshMs)])
  return { ...reader, ...(Object.fromEntries(shared) as Pick<Reader, (typeof SHARED)[number]>) }
}
