import { readTime } from '../filter/check.ts'
import { type Filter, parseFilter } from '../filter/filter.ts'
import type { Term } from '../filter/term.ts'
import type { BulkAction } from '../store/bulks.ts'

/**
 * The runs that a bulk action touches: those that its filter finds, as of the instant when it was made, and that the
 * action can be done to. Cancelled runs are replayed only if the filter asks for a status.
 *
 * @throws TappetError TPT_FILTER_INVALID
 */
export function matching(action: BulkAction, text: string, at: Date): Filter {
  const { subject, terms } = parseFilter(text, 'runs')
  const asksForStatus = terms.some(({ field, negated }) => field === 'status' && !negated)
  const states = action === 'cancel' ? ['open'] : asksForStatus ? ['dead', 'cancelled'] : ['dead']
  const able: Term = { field: 'status', path: [], operator: ':', values: states, negated: false }
  const made: Term = { field: 'until', path: [], operator: ':', values: [at.toISOString()], negated: false }
  return { subject, terms: [...terms.map((term) => fixed(term, at)), able, made] }
}

/** `since:24h` means 24 hours before the action was made, however long it takes. */
function fixed(term: Term, at: Date): Term {
  if (term.field !== 'since' && term.field !== 'until') return term
  const values = term.values.map((value) => {
    const bound = readTime(value)
    return bound !== null && 'agoMs' in bound ? new Date(at.getTime() - bound.agoMs).toISOString() : value
  })
  return { ...term, values }
}
