import { createHash } from 'node:crypto'
import { TappetError } from '../../errors.ts'
import type { CloudEvent } from '../../events/cloudevents.ts'
import { MAX_ATTRIBUTE } from '../../events/envelope.ts'
import { type Trace, traceOf } from '../../events/trace.ts'
import { newId } from '../../lib/id.ts'
import type { Issue } from '../../lib/schema.ts'
import type { OutboxMessage } from '../../outbox/outbox.ts'
import type { QueueEvent } from './event.ts'

/** A message as `ctx.send` and the API hand it over. */
export interface Message {
  readonly queue: string
  readonly data: unknown
  /** Names the message within its queue: sent again with the same key, it is a duplicate. */
  readonly key: string | null
  readonly delayMs: number
  readonly headers?: Readonly<Record<string, string>>
  /** Where it stands in a trace. Default as `headers` say. */
  readonly trace?: Trace
}

export const MAX_QUEUE_NAME = 200
export const MAX_DELAY_MS = 365 * 86_400_000

/** Says what a name must be, or null when it is one. */
export function queueNameProblem(name: string): string | null {
  if (/^[^\p{C}\p{Z}]+$/u.test(name) && name.length <= MAX_QUEUE_NAME) return null
  const got = JSON.stringify(name.slice(0, MAX_QUEUE_NAME + 1))
  return `must be 1 to ${MAX_QUEUE_NAME} visible characters without spaces, got ${got}`
}

/** @throws TappetError TPT_EVENT_INVALID when queue, key or delay are not what they must be. */
export function fromMessage(
  { queue, data, key, delayMs, headers = {}, trace = headers }: Message,
  now = new Date(),
): QueueEvent {
  const issues = [
    issue('/queue', queueNameProblem(queue)),
    issue('/key', key === null ? null : keyProblem(key)),
    issue('/delay', delayMs >= 0 && delayMs <= MAX_DELAY_MS ? null : 'must be from 0s to 365d'),
  ].filter((found) => found !== null)
  if (issues.length > 0) {
    const text = issues.map(({ path, message }) => `\`${path.slice(1)}\` ${message}`).join('; ')
    throw new TappetError('TPT_EVENT_INVALID', text, { issues })
  }
  const id = key ?? newId('msg', now.getTime())
  return { ...toQueueEvent(id, { queue, data, headers }, now.toISOString()), ...traceOf({ ...trace }) }
}

/**
 * A redelivery keeps source and id, and so is a duplicate. Its own place in a trace goes before that of the request that
 * brought it.
 */
export function fromCloudEvent(event: CloudEvent, request: Trace = {}): QueueEvent {
  const { specversion, id, source, subject, time, data, datacontenttype, base64, extensions } = event
  const headers = {
    ...extensions,
    ...(datacontenttype !== null && { datacontenttype }),
    ...(base64 && { datacontentencoding: 'base64' }),
  }
  return {
    specversion,
    id,
    source,
    type: 'queue.message',
    ...(subject !== undefined && { subject }),
    time,
    ...request,
    ...traceOf(extensions),
    data,
    message: { queue: event.type, headers },
  }
}

/** Takes whatever SQL sent: a transaction that has committed cannot be told "no". */
export function fromOutbox({ uid, queue, data, key, time }: OutboxMessage): QueueEvent {
  const id = key === null || key === '' ? uid : keyProblem(key) === null ? key : hashed(key)
  return toQueueEvent(id, { queue, data, headers: {} }, time)
}

type Content = QueueEvent['message'] & { readonly data: unknown }

function toQueueEvent(id: string, { queue, data, headers }: Content, time: string): QueueEvent {
  const source = `/queue/${encodeURIComponent(queue)}`
  return {
    specversion: '1.0',
    id,
    source: source.length <= MAX_ATTRIBUTE ? source : `/queue/${hashed(queue)}`,
    type: 'queue.message',
    time,
    data: data ?? null,
    message: { queue, headers },
  }
}

function keyProblem(key: string): string | null {
  if (key === '') return 'must not be empty'
  if (key.length > MAX_ATTRIBUTE) return `must be at most ${MAX_ATTRIBUTE} characters, got ${key.length}`
  return /[\p{Cc}\p{Cs}]/u.test(key) ? 'must not contain control characters or lone surrogates' : null
}

function hashed(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('hex')}`
}

function issue(path: string, problem: string | null): Issue | null {
  return problem === null ? null : { path, message: problem }
}
