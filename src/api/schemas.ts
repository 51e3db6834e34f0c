import * as z from 'zod'
import { SCOPES } from '../access/scopes.ts'
import { RUN_STATES, type RunState } from '../store/run-state.ts'

/** What answers look like as JSON. Times are RFC 3339, lengths of time are ms. */

export const time = z.iso.datetime()
export const text = z.string()
export const count = z.int().min(0)
export const ms = z.number()
const state = z.enum(RUN_STATES as [RunState, ...RunState[]])

export const Failure = z
  .strictObject({
    name: text,
    message: text,
    stack: text.nullable(),
    code: text.nullable(),
    retryable: z.boolean(),
    retryAfterMs: ms.nullable(),
  })
  .meta({ id: 'Failure' })

const run = {
  id: text,
  functionId: text,
  eventId: text,
  state,
  trigger: count,
  attempt: count,
  maxAttempts: count,
  lease: count,
  losses: count,
  worker: text.nullable(),
  held: z.boolean().describe('It waits for earlier runs with its ordering key.'),
  dueAt: time,
  createdAt: time,
  startedAt: time.nullable(),
  finishedAt: time.nullable(),
  failure: Failure.nullable(),
}
export const Run = z.strictObject({ ...run, result: z.unknown().optional() }).meta({ id: 'Run' })
export const ListedRun = z
  .strictObject({
    ...run,
    fingerprint: text.nullable().optional().describe('The same for failures of one kind; with `q` only.'),
    bulk: text.nullable().optional().describe('The last bulk action that touched it; with `q` only.'),
    result: z.unknown().optional().describe('Without `q` only.'),
  })
  .meta({ id: 'ListedRun' })

export const ListedEvent = z
  .strictObject({
    id: text,
    eventId: text,
    source: text,
    type: text,
    subject: text.nullable(),
    time: text,
    receivedAt: time,
    cause: text.nullable().describe('The run that sent it.'),
    bytes: count.describe('Of the payload as JSON.'),
    runs: z.array(z.strictObject({ id: text, functionId: text, state })),
  })
  .meta({ id: 'ListedEvent' })

export const Event = z
  .looseObject({
    id: text,
    source: text,
    type: text,
    time: text,
    receivedAt: time,
    data: z.unknown().optional(),
  })
  .describe('The event as CloudEvents 1.0, and what its kind has beside.')
  .meta({ id: 'Event' })

const Meter = z
  .strictObject({
    durationMs: ms,
    cpuMs: ms.nullable().describe('Where attempts overlapped in a process, its share.'),
    peakKb: count.nullable().describe('Of the process, until then.'),
    cold: z.boolean(),
    bytesIn: count,
    bytesOut: count,
    memoryMb: count.describe('What the function may take.'),
  })
  .meta({ id: 'Meter' })

export const Attempt = z
  .strictObject({
    lease: count,
    number: count,
    outcome: z.enum(['completed', 'retry', 'dead', 'released', 'lost', 'cancelled']),
    worker: text.nullable(),
    version: text.nullable(),
    startedAt: time,
    finishedAt: time,
    failure: Failure.nullable(),
    meter: Meter.nullable().describe('Null where it was not measured.'),
  })
  .meta({ id: 'Attempt' })

const line = {
  runId: text,
  attempt: count,
  time,
  level: z.enum(['debug', 'info', 'warn', 'error']),
  message: text,
  fields: z.record(text, z.unknown()).nullable(),
}
export const LogLine = z.strictObject(line).meta({ id: 'LogLine' })
export const ListedLog = z.strictObject({ ...line, seq: text }).meta({ id: 'ListedLog' })

export const Trigger = z
  .looseObject({ kind: text, label: text, schemas: z.array(text) })
  .meta({ id: 'Trigger' })
export const Problem = z.strictObject({ file: text, code: text, message: text }).meta({ id: 'Problem' })
export const TriggerProblem = z
  .strictObject({ functionId: text, label: text, message: text })
  .meta({ id: 'TriggerProblem' })
export const Pause = z
  .strictObject({ functionId: text, pausedAt: time, pausedBy: text })
  .meta({ id: 'Pause' })

export const Func = z
  .strictObject({
    id: text,
    file: text,
    version: text,
    triggers: z.array(Trigger),
    retry: z.strictObject({
      attempts: count,
      delayMs: ms,
      factor: z.number(),
      maxDelayMs: ms,
      jitter: z.number(),
    }),
    timeoutMs: ms,
    concurrency: count.nullable(),
    instanceConcurrency: count,
    maxInstances: count.nullable(),
    provisioned: count,
    ...{ memoryMb: z.number(), maxProcesses: count },
    env: z.array(text).describe('Names of environment variables.'),
    secrets: z.array(text).describe('Names of those whose values are masked.'),
    database: text.nullable(),
    hasIdempotencyKey: z.boolean(),
    hasOrderingKey: z.boolean(),
  })
  .meta({ id: 'Function' })

export const FunctionStats = z
  .strictObject({
    functionId: text,
    completed: count,
    dead: count,
    success: z.number().nullable().describe('Share of the ends within 24 h, 0 to 1.'),
    p50Ms: ms.nullable(),
    p95Ms: ms.nullable(),
    lastError: text.nullable(),
    lastErrorAt: time.nullable(),
  })
  .meta({ id: 'FunctionStats' })

export const Version = z
  .strictObject({ version: text, firstAt: time, lastAt: time, attempts: count, failed: count })
  .meta({ id: 'Version' })

export const Count = z
  .strictObject({ count, exact: z.boolean().describe('False: there are more.') })
  .meta({ id: 'Count' })

export const Bucket = z
  .strictObject({ from: time, completed: count, dead: count, cancelled: count, open: count })
  .meta({ id: 'Bucket' })

export const ErrorGroup = z
  .strictObject({
    functionId: text,
    fingerprint: text.nullable(),
    code: text,
    message: text,
    count,
    firstAt: time,
    lastAt: time,
    firstVersion: text.nullable(),
    lastVersion: text.nullable(),
    sample: text,
  })
  .meta({ id: 'ErrorGroup' })

export const Minute = z
  .strictObject({ from: time, completed: count, dead: count, queueP95Ms: ms.nullable() })
  .meta({ id: 'Minute' })

export const QueueState = z
  .strictObject({
    functionId: text,
    waiting: count,
    running: count,
    later: count,
    oldestMs: ms.nullable(),
    paused: z.boolean(),
  })
  .meta({ id: 'Queue' })

export const WorkerState = z
  .strictObject({ id: text, host: text, pid: count, startedAt: time, heartbeatAt: time, running: count })
  .meta({ id: 'Worker' })

export const Check = z
  .strictObject({
    name: text,
    ok: z.boolean(),
    detail: text,
    advisory: z.boolean().optional(),
    fix: text.optional(),
  })
  .meta({ id: 'Check' })

export const Key = z
  .strictObject({
    id: text,
    name: text,
    scopes: z.array(z.enum(SCOPES)),
    state: z.enum(['live', 'revoked', 'expired']),
    createdAt: time,
    createdBy: text,
    lastUsedAt: time.nullable(),
    expiresAt: time.nullable(),
    revokedAt: time.nullable(),
  })
  .meta({ id: 'Key' })

export const next = text.nullable().describe('The cursor of the page after this one; null at the end.')
