import { createHash } from 'node:crypto'
import type { Failure } from '../../errors.ts'
import type { Envelope } from '../../events/envelope.ts'
import type { Job } from '../../queue/queue.ts'
import type { RunState } from '../run-state.ts'
import type { Claim, Run } from '../store.ts'

/** What an event is known by: one fixed-size value for a source and an id of any length. */
export function nameOf(source: string, id: string): Buffer {
  return createHash('sha256').update(source).update('\u001f').update(id).digest()
}

export interface EventRow {
  readonly event_id: string
  readonly source: string
  readonly type: string
  readonly subject: string | null
  readonly time: string
  readonly payload: object
}

/** Everything of an envelope that has no column of its own. */
export function payloadOf(envelope: Envelope): string {
  const { specversion: _1, id: _2, source: _3, type: _4, subject: _5, time: _6, ...payload } = envelope
  return JSON.stringify(payload)
}

export function toEnvelope({ event_id, source, type, subject, time, payload }: EventRow): Envelope {
  const attributes = { specversion: '1.0' as const, id: event_id, source, type, time }
  return { ...attributes, ...(subject !== null && { subject }), ...payload } as Envelope
}

export interface JobRow {
  readonly id: string
  readonly function_id: string
  readonly lease: number
}

export function toJob({ id, function_id, lease }: JobRow): Job {
  return { runId: id, functionId: function_id, lease }
}

export interface ClaimRow extends JobRow, EventRow {
  readonly attempt: number
  readonly max_attempts: number
  readonly trigger: number
  readonly losses: number
  readonly crashes: number
  readonly order: string | null
}

export function toClaim(row: ClaimRow): Claim {
  const { attempt, max_attempts: maxAttempts, trigger, losses, crashes, order } = row
  return { ...toJob(row), attempt, maxAttempts, trigger, losses, crashes, order, event: toEnvelope(row) }
}

export interface RunRow extends JobRow {
  readonly event: string
  readonly state: RunState
  readonly trigger: number
  readonly attempt: number
  readonly max_attempts: number
  readonly losses: number
  readonly worker: string | null
  readonly held: boolean
  readonly due_at: Date
  readonly created_at: Date
  readonly started_at: Date | null
  readonly finished_at: Date | null
  readonly result: unknown
  readonly failure: Failure | null
}

export const RUN_COLUMNS =
  'id, function_id, event, state, trigger, attempt, max_attempts, lease, losses, worker, held, due_at, created_at, ' +
  'started_at, finished_at, result, failure'

export function toRun(row: RunRow): Run {
  const { id, lease, state, trigger, attempt, losses, worker, held, result, failure } = row
  return {
    ...{
      id,
      functionId: row.function_id,
      eventId: row.event,
      state,
      trigger,
      attempt,
      lease,
      losses,
      worker,
      held,
    },
    maxAttempts: row.max_attempts,
    dueAt: row.due_at,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    result,
    failure,
  }
}
