/** What a filter selects. Each has fields of its own, with the same meaning wherever they share a name. */
export type Subject = 'runs' | 'events' | 'logs'

/**
 * How a field's values read, and which operators make sense:
 * `text` is equal or contains, `choice` is one of a list, `number` and `duration` compare, `time` is a bound,
 * `path` is a place in the payload, whose value is text or a number.
 */
export type FieldKind = 'text' | 'choice' | 'number' | 'duration' | 'time' | 'path'

export interface Field {
  readonly kind: FieldKind
  /** One line for help and completion. */
  readonly about: string
  /** For `choice`: all the values there are. */
  readonly choices?: readonly string[]
}

const STATES = ['accepted', 'queued', 'running', 'retrying', 'completed', 'dead', 'cancelled'] as const

/** Words for several states at once. */
export const STATUS_GROUPS: Readonly<Record<string, readonly string[]>> = {
  failed: ['dead', 'retrying'],
  open: ['accepted', 'queued', 'running', 'retrying'],
}

const KINDS = ['http', 'postgres', 'upload', 'cron', 'queue'] as const
const LEVELS = ['debug', 'info', 'warn', 'error'] as const

const text = (about: string): Field => ({ kind: 'text', about })
const SINCE: Field = { kind: 'time', about: 'not older than: 24h, or 2026-11-01T00:00:00Z' }
const UNTIL: Field = { kind: 'time', about: 'not newer than: 2h, or 2026-11-01T00:00:00Z' }
const TRIGGER: Field = { kind: 'choice', about: 'kind of trigger', choices: KINDS }
const DATA: Field = { kind: 'path', about: "a value of the event's data, such as data.tenant" }

const EVENT: Readonly<Record<string, Field>> = {
  trigger: TRIGGER,
  type: text("the event's type, such as http.request"),
  source: text("the event's source"),
  subject: text('what the event is about'),
  cause: text('the run that sent the event'),
  data: DATA,
}

/** A term without a field: what people type first. */
export const TEXT_FIELD = 'text'

export const FIELDS: Readonly<Record<Subject, Readonly<Record<string, Field>>>> = {
  runs: {
    status: { kind: 'choice', about: 'where runs are', choices: [...STATES, ...Object.keys(STATUS_GROUPS)] },
    function: text("the function's id"),
    id: text("the run's id"),
    event: text("the event's id"),
    since: SINCE,
    until: UNTIL,
    error: text('code, name and message of the failure'),
    fingerprint: text('failures of one kind'),
    attempt: { kind: 'number', about: 'attempts used' },
    duration: { kind: 'duration', about: 'how long the last attempt took, such as duration>5s' },
    worker: text('who has it'),
    version: text("a version of the function's code that tried it"),
    bulk: text('touched by this bulk action'),
    ...EVENT,
    [TEXT_FIELD]: text('in the id, the function or the failure'),
  },
  events: {
    id: text("the event's id"),
    since: SINCE,
    until: UNTIL,
    function: text('made a run of this function'),
    ...EVENT,
    [TEXT_FIELD]: text('in the id, the type, the source or the subject'),
  },
  logs: {
    level: { kind: 'choice', about: 'this level, or with >= from it up', choices: LEVELS },
    function: text("the function's id"),
    run: text("the run's id"),
    since: SINCE,
    until: UNTIL,
    attempt: { kind: 'number', about: 'which attempt' },
    message: text('the message'),
    [TEXT_FIELD]: text('in the message'),
  },
}

export function isOrdered(choices: readonly string[]): boolean {
  return choices === LEVELS
}

/** The states that a word stands for. */
export function statesOf(word: string): readonly string[] {
  return STATUS_GROUPS[word] ?? [word]
}
