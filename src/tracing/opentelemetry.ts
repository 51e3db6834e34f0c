import type * as Api from '@opentelemetry/api'
import { type Trace, traceOf } from '../events/trace.ts'
import { VERSION } from '../lib/version.ts'
import type { Settled } from '../runtime/runtime.ts'
import type { Tracing } from './tracing.ts'

/** Spans of the SDK that is registered with the API. It decides what is sampled, and where it goes. */
export function createOpenTelemetry(api: typeof Api): Tracing {
  const { trace, context, SpanKind, SpanStatusCode } = api
  const tracer = trace.getTracer('tappet', VERSION)
  const within = async <T>(
    name: string,
    options: Api.SpanOptions,
    follows: Trace,
    work: (span: Api.Span) => Promise<T>,
  ): Promise<T> => {
    const parent = contextOf(api, follows)
    const span = tracer.startSpan(name, options, parent)
    try {
      return await context.with(trace.setSpan(parent, span), () => work(span))
    } catch (error) {
      span.recordException(error as Error)
      span.setStatus({ code: SpanStatusCode.ERROR, message: String(error) })
      throw error
    } finally {
      span.end()
    }
  }
  const fail = (span: Api.Span, settled: Settled): void => {
    if (settled.ok) return
    const { name, message, stack, code } = settled.failure
    span.recordException({ name, message, ...(stack !== null && { stack }), ...(code !== null && { code }) })
    span.setStatus({ code: SpanStatusCode.ERROR, message })
    span.setAttribute('error.type', code ?? name)
  }

  return {
    emit(event, work) {
      const { source, id, type } = event
      const attributes = {
        ...{ 'messaging.system': 'tappet', 'messaging.operation.type': 'send' },
        ...{ 'cloudevents.event_source': source, 'cloudevents.event_id': id, 'cloudevents.event_type': type },
      }
      return within(`emit ${type}`, { kind: SpanKind.PRODUCER, attributes }, event, async (span) => {
        const accepted = await work({ ...event, ...traceOfSpan(span, event) })
        span.setAttribute('tappet.event.id', accepted.eventId)
        span.setAttribute('tappet.event.duplicate', accepted.duplicate)
        return accepted
      })
    },
    run({ functionId, runId, attempt, event }, work) {
      const attributes = {
        ...{ 'messaging.system': 'tappet', 'messaging.operation.type': 'process' },
        ...{ 'faas.name': functionId, 'faas.invocation_id': runId, 'tappet.run.attempt': attempt },
      }
      return within(`run ${functionId}`, { kind: SpanKind.CONSUMER, attributes }, event, async (span) => {
        const settled = await work(traceOfSpan(span, event))
        fail(span, settled)
        return settled
      })
    },
  }
}

function contextOf({ trace, createTraceState, ROOT_CONTEXT }: typeof Api, follows: Trace): Api.Context {
  const [, traceId = '', spanId = '', flags = ''] = follows.traceparent?.split('-') ?? []
  if (follows.traceparent === undefined) return ROOT_CONTEXT
  return trace.setSpanContext(ROOT_CONTEXT, {
    ...{ traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true },
    ...(follows.tracestate !== undefined && { traceState: createTraceState(follows.tracestate) }),
  })
}

/** What follows a span: its own place, also where it is not sampled. */
function traceOfSpan(span: Api.Span, before: Trace): Trace {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext()
  if (/^0*$/.test(traceId)) return traceOf({ ...before })
  const state = traceState?.serialize() ?? before.tracestate
  return {
    traceparent: `00-${traceId}-${spanId}-${(traceFlags & 1).toString(16).padStart(2, '0')}`,
    ...(state !== undefined && state !== '' && { tracestate: state }),
  }
}
