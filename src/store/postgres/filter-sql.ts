import { type Bound, durationMs, readTime } from '../../filter/check.ts'
import { FIELDS, statesOf, type Subject } from '../../filter/fields.ts'
import type { Filter } from '../../filter/filter.ts'
import { lowerAscii } from '../../filter/matches.ts'
import type { Operator, Term } from '../../filter/term.ts'
import { idAt } from '../../lib/id.ts'

/** Takes a value and answers its place-holder. Nothing that a person typed comes into a statement in any other way. */
export type Bind = (value: unknown) => string

/** A condition for `where`, over the tables by the names `r` (runs), `e` (events) and `l` (log lines). */
export function filterSql(filter: Filter, bind: Bind, now = new Date()): string {
  const terms = filter.terms.map((term) => {
    const sql = termSql(term, filter.subject, bind, now)
    return term.negated ? `not coalesce((${sql}), false)` : `(${sql})`
  })
  return terms.join(' and ') || 'true'
}

/** Where the value of a field is; `inEvent`: in the event of the run. */
interface Column {
  readonly sql: string
  readonly inEvent?: boolean
}

const FAILURE =
  `case when r.failure is not null then concat_ws(' ', tappet.json_text(r.failure, '{code}'), ` +
  `tappet.json_text(r.failure, '{name}'), tappet.json_text(r.failure, '{message}')) end`
const EVENT: Readonly<Record<string, Column>> = {
  trigger: { sql: `split_part(e.type, '.', 1)`, inEvent: true },
  type: { sql: 'e.type', inEvent: true },
  source: { sql: 'e.source', inEvent: true },
  subject: { sql: 'e.subject', inEvent: true },
  cause: { sql: 'e.cause', inEvent: true },
}

const COLUMNS: Readonly<Record<Subject, Readonly<Record<string, Column>>>> = {
  runs: {
    ...EVENT,
    function: { sql: 'r.function_id' },
    id: { sql: 'r.id' },
    event: { sql: 'r.event' },
    since: { sql: 'r.created_at' },
    until: { sql: 'r.created_at' },
    error: { sql: FAILURE },
    fingerprint: { sql: 'r.fingerprint' },
    attempt: { sql: 'r.attempt' },
    // As people are shown it: of whole milliseconds.
    duration: { sql: `extract(epoch from ${inMs('r.finished_at')} - ${inMs('r.started_at')}) * 1000` },
    worker: { sql: 'r.worker' },
    bulk: { sql: 'r.bulk' },
    text: { sql: `concat_ws(' ', r.id, r.function_id, ${FAILURE})` },
  },
  events: {
    ...EVENT,
    id: { sql: 'e.id' },
    since: { sql: 'e.received_at' },
    until: { sql: 'e.received_at' },
    text: { sql: `concat_ws(' ', e.id, e.type, e.source, e.subject)` },
  },
  logs: {
    level: { sql: 'l.level' },
    run: { sql: 'l.run' },
    since: { sql: 'l.time' },
    until: { sql: 'l.time' },
    attempt: { sql: 'l.attempt' },
    message: { sql: 'l.message' },
    text: { sql: 'l.message' },
  },
}

/** What is not one column: another table has it. */
const ELSEWHERE: Readonly<Record<string, (condition: (sql: string) => string) => string>> = {
  'runs version': (fits) =>
    `exists (select from tappet.attempts a where a.run = r.id and ${fits('a.version')})`,
  'events function': (fits) =>
    `exists (select from tappet.runs x where x.event = e.id and ${fits('x.function_id')})`,
  'logs function': (fits) =>
    `exists (select from tappet.runs x where x.id = l.run and ${fits('x.function_id')})`,
}

function termSql(term: Term, subject: Subject, bind: Bind, now: Date): string {
  const { field, path } = term
  if (field === 'status') return statusSql(term)
  const fits = (sql: string): string => conditionSql(sql, term, subject, bind)
  const elsewhere = ELSEWHERE[`${subject} ${field}`]
  if (elsewhere) return elsewhere(fits)
  const column =
    field === 'data'
      ? { sql: `tappet.json_text(e.payload, ${bind(['data', ...path])}::text[])`, inEvent: true }
      : COLUMNS[subject][field]
  if (!column) throw new Error(`no column for ${subject} ${field}`)
  const condition = fits(column.sql) + narrowed(term, subject, bind, now)
  if (!column.inEvent || subject === 'events') return condition
  if (field === 'cause') return `exists (select from tappet.events e where e.id = r.event and ${condition})`
  // Not `exists`, which may be turned round: then it would be asked of every event that there is.
  return `(select ${condition} from tappet.events e where e.id = r.event)`
}

/** Ours, by what was typed, so that the planner can take an index that holds runs in such states only. */
function statusSql({ values }: Term): string {
  const wanted = new Set(values.flatMap(statesOf))
  return [...wanted].map((state) => STATE_SQL[state] ?? 'false').join(' or ')
}

const STATE_SQL: Readonly<Record<string, string>> = Object.fromEntries(
  ['accepted', 'queued', 'running', 'retrying', 'completed', 'dead', 'cancelled'].map((state) => [
    state,
    `r.state = '${state}'`,
  ]),
)

function conditionSql(sql: string, term: Term, subject: Subject, bind: Bind): string {
  const { field, operator, values } = term
  const { kind, choices } = FIELDS[subject][field] ?? { kind: 'text' }
  const [first = ''] = values
  if (kind === 'time') return `${sql} ${field === 'until' ? '<=' : '>='} ${boundSql(first, bind)}`
  if (kind === 'duration') return `${sql} ${operator} ${bind(durationMs(first))}::float8`
  if (kind === 'choice') return `${sql} = any(${bind(chosen(term, choices ?? []))}::text[])`
  if (operator === '~') return containsSql(sql, term, bind)
  if (kind === 'number') return compareNumber(sql, operator, values.map(Number), bind)
  if (operator !== ':')
    return `case when ${sql} ~ '${NUMERIC}' then (${sql})::float8 ${operator} ${bind(Number(first))}::float8 end`
  return values.length === 1 ? `${sql} = ${bind(first)}` : `${sql} = any(${bind(values)}::text[])`
}

function containsSql(sql: string, { field, values }: Term, bind: Bind): string {
  const tests = values.map((value) => `strpos(lower((${sql}) collate "C"), ${bind(lowerAscii(value))}) > 0`)
  // Said as the index of failed runs says it.
  return `${field === 'error' ? 'r.failure is not null and ' : ''}(${tests.join(' or ')})`
}

/** The same as in the filter's own check. */
const NUMERIC = String.raw`^-?\d{1,15}(\.\d{1,15})?$`

function compareNumber(sql: string, operator: Operator, values: readonly number[], bind: Bind): string {
  return operator === ':'
    ? `${sql} = any(${bind(values)}::float8[])`
    : `${sql} ${operator} ${bind(values[0])}::float8`
}

function chosen({ operator, values }: Term, choices: readonly string[]): readonly string[] {
  const [first = ''] = values
  const place = choices.indexOf(first)
  if (operator === '>') return choices.slice(place + 1)
  if (operator === '>=') return choices.slice(place)
  if (operator === '<') return choices.slice(0, place)
  if (operator === '<=') return choices.slice(0, place + 1)
  return values
}

/** The database's time decides; ours only says, with room to spare, where to look. */
function boundSql(value: string, bind: Bind): string {
  const bound = timeOf(value)
  return 'at' in bound
    ? `${bind(bound.at)}::timestamptz`
    : `now() - ${bind(bound.agoMs)}::float8 * interval '1 ms'`
}

function timeOf(value: string): Bound {
  const bound = readTime(value)
  if (bound === null) throw new Error(`not a time: ${value}`)
  return bound
}

/** How far the clocks of processes, and an accept that takes its time, may put an id from the time of its row. */
const SKEW_MS = 300_000

/** Ids begin with a time: with a bound on them the list, which is in their order, ends early. */
function narrowed({ field, values, negated }: Term, subject: Subject, bind: Bind, now: Date): string {
  if (negated || subject === 'logs' || (field !== 'since' && field !== 'until')) return ''
  const bound = timeOf(values[0] ?? '')
  const ms = 'at' in bound ? bound.at.getTime() : now.getTime() - bound.agoMs
  const [id, prefix] = subject === 'runs' ? (['r.id', 'run'] as const) : (['e.id', 'evt'] as const)
  return field === 'since'
    ? ` and ${id} >= ${bind(idAt(prefix, ms - SKEW_MS))}`
    : ` and ${id} <= ${bind(idAt(prefix, ms + SKEW_MS))}`
}

function inMs(column: string): string {
  return `date_trunc('milliseconds', ${column})`
}
