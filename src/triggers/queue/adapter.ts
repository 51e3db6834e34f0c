import { readBody } from '../../api/body.ts'
import { errorBody } from '../../api/error-body.ts'
import type { HttpReply, HttpRequest, HttpServer } from '../../api/server.ts'
import { TappetError } from '../../errors.ts'
import { parseCloudEvents } from '../../events/cloudevents.ts'
import { traceOf } from '../../events/trace.ts'
import { type Duration, toMs } from '../../lib/duration.ts'
import { parseJson } from '../../lib/json.ts'
import type { Logger } from '../../lib/log.ts'
import type { Issue } from '../../lib/schema.ts'
import type { Outbox, OutboxMessage } from '../../outbox/outbox.ts'
import type { Accepted, Emit, EmitOptions, Subscription, TriggerAdapter, TriggerProblem } from '../trigger.ts'
import type { QueueTrigger } from './declare.ts'
import type { QueueEvent } from './event.ts'
import {
  fromCloudEvent,
  fromMessage,
  fromOutbox,
  MAX_DELAY_MS,
  type Message,
  queueNameProblem,
} from './normalize.ts'

export interface QueueAdapterDeps {
  /** Not yet listening: the routes are added at once, and answer 503 until the adapter has started. */
  readonly server: HttpServer
  readonly outbox: Outbox
  readonly logger: Logger
}

export interface QueueAdapter extends TriggerAdapter<QueueTrigger> {
  /**
   * Puts a message on a queue, for `ctx.send` and the API; resolves when it is durable. A queue to which no function
   * listens keeps the event without runs. `cause` is the run that sends it.
   *
   * @throws what {@link Emit} throws, and TPT_EVENT_INVALID for a bad name, key or delay.
   */
  send(message: Message, cause?: string): Promise<Accepted>
}

/** What the API answers for each event that is in the ledger. */
interface Receipt {
  /** The event's own id: the sender's, the key, or a new one. */
  readonly id: string
  readonly event: string
  readonly runs: readonly string[]
  readonly duplicate: boolean
}

const MAX_BODY = 1_048_576
/** Names of queues without a listener that were warned about; bounded, because strangers choose them. */
const MAX_WARNED = 1_000

type Publish = (event: QueueEvent, options?: EmitOptions) => Promise<Accepted>

/** The queue trigger: CloudEvents and messages over HTTP, `ctx.send`, and `tappet.send()` in SQL. */
export function createQueueAdapter({ server, outbox, logger }: QueueAdapterDeps): QueueAdapter {
  let emit: Emit | null = null
  let byQueue = new Map<string, Subscription<QueueTrigger>[]>()
  let problems: readonly TriggerProblem[] = []
  const warned = new Set<string>()
  const pending = new Set<Promise<unknown>>()

  const publish: Publish = async (event, options) => {
    if (emit === null)
      throw new TappetError('TPT_SHUTDOWN', 'the queue trigger takes no messages at the moment')
    const { queue } = event.message
    const listeners = byQueue.get(queue) ?? []
    if (listeners.length === 0 && !warned.has(queue) && warned.size < MAX_WARNED) {
      warned.add(queue)
      logger.warn({ queue }, 'no function listens to this queue: its messages are kept without runs')
    }
    const work = emit(event, listeners, options)
    pending.add(work)
    try {
      return await work
    } finally {
      pending.delete(work)
    }
  }
  const listen = (subscriptions: readonly Subscription<QueueTrigger>[]): void => {
    byQueue = new Map()
    for (const subscription of subscriptions) {
      const { queue } = subscription.trigger
      byQueue.set(queue, [...(byQueue.get(queue) ?? []), subscription])
    }
    problems = subscriptions.flatMap(problemOf)
    warned.clear()
  }
  addRoutes(server, publish)

  return {
    kind: 'queue',
    async start(subscriptions, to) {
      listen(subscriptions)
      emit = to
      outbox.take('message', (rows) => deliver(rows, publish))
    },
    async update(subscriptions) {
      listen(subscriptions)
    },
    problems: () => problems,
    async stop() {
      emit = null
      await Promise.allSettled(pending)
    },
    async send(message, cause) {
      const { delayMs } = message
      return publish(fromMessage(message), { delayMs, ...(cause !== undefined && { cause }) })
    },
  }
}

function problemOf({ functionId, trigger }: Subscription<QueueTrigger>): readonly TriggerProblem[] {
  const problem = queueNameProblem(trigger.queue)
  return problem === null
    ? []
    : [{ functionId, label: trigger.label, message: `the queue's name ${problem}` }]
}

/** All of them or an error, after which the outbox brings them again: those that were stored are duplicates then. */
async function deliver(rows: readonly OutboxMessage[], publish: Publish): Promise<void> {
  const work = rows.map((row) => {
    const delayMs = Math.min(Math.max(0, row.delayMs), MAX_DELAY_MS)
    return publish(fromOutbox(row), { delayMs, invalid: 'keep' })
  })
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}

const TAKING = { config: { scope: 'ingest' } } as const

function addRoutes(server: HttpServer, publish: Publish): void {
  server.post('/_tappet/events', TAKING, async (request, reply) => takeEvents(request, reply, publish))
  server.post('/_tappet/queues/:queue', TAKING, async (request, reply) => {
    const { queue } = request.params as { readonly queue: string }
    checkJson(request)
    const data = parseJson(await readBody(request, MAX_BODY))
    const delay = option(request, 'delay')
    const key = option(request, 'key')
    const delayMs = delay === null ? 0 : delayOf(delay)
    const message = { queue, data, key, delayMs, trace: traceOf(request.headers) }
    const event = fromMessage(message)
    const accepted = await publish(event, { delayMs })
    return reply.code(202).send(receipt(event, accepted))
  })
}

/**
 * A batch with an event that is no CloudEvent is refused as a whole. One that a function's schema refuses is told by
 * 422 with its place in the batch, beside what was accepted: sending the batch again, corrected, is safe.
 */
async function takeEvents(request: HttpRequest, reply: HttpReply, publish: Publish): Promise<HttpReply> {
  const sent = parseCloudEvents(request.headers, await readBody(request, MAX_BODY))
  const trace = traceOf(request.headers)
  const events = sent.map((event) => fromCloudEvent(event, trace))
  const batch = /^\s*application\/cloudevents-batch/i.test(request.headers['content-type'] ?? '')
  const settled = await Promise.allSettled(events.map((event) => publish(event)))
  const results = settled.flatMap((result, i) => {
    const event = events[i]
    return event ? [{ event, result }] : []
  })
  const accepted: Receipt[] = []
  const refused: Issue[] = []
  for (const [index, { event, result }] of results.entries()) {
    if (result.status === 'fulfilled') {
      accepted.push(receipt(event, result.value))
      continue
    }
    const reason: unknown = result.reason
    if (!batch || !(reason instanceof TappetError) || reason.code !== 'TPT_EVENT_INVALID') throw reason
    for (const { path, message } of reason.issues) refused.push({ path: `/${index}${path}`, message })
  }
  if (accepted.length === events.length) return reply.code(202).send({ accepted })
  const count = `${events.length - accepted.length} of ${events.length}`
  const error = new TappetError('TPT_EVENT_INVALID', `${count} events are not what their functions accept`, {
    issues: refused,
  })
  return reply.code(error.status).send({ ...errorBody(error), accepted })
}

function receipt({ id }: QueueEvent, { eventId, runIds, duplicate }: Accepted): Receipt {
  return { id, event: eventId, runs: runIds, duplicate }
}

function checkJson({ headers }: HttpRequest): void {
  const type = (headers['content-type'] ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? ''
  if (type === 'application/json' || type.endsWith('+json')) return
  throw new TappetError('TPT_CONTENT_TYPE', `expected the header content-type: application/json, got ${type}`)
}

/** An option of a send: `?delay=10s` or the header `tappet-delay`. */
function option({ query, headers }: HttpRequest, name: 'key' | 'delay'): string | null {
  const values = [(query as Record<string, string | string[]>)[name], headers[`tappet-${name}`]].flat()
  const [value, second] = values.filter((given) => given !== undefined)
  if (second !== undefined && second !== value) throw invalid(name, 'must be given once')
  return value ?? null
}

function delayOf(text: string): number {
  try {
    return toMs(text as Duration)
  } catch (error) {
    throw invalid('delay', (error as Error).message)
  }
}

function invalid(name: string, message: string): TappetError {
  return new TappetError('TPT_EVENT_INVALID', `\`${name}\` ${message}`, {
    issues: [{ path: `/${name}`, message }],
  })
}
