/**
 * Where an event stands in a trace: the attributes of CloudEvents' distributed tracing extension, which are the headers of
 * W3C Trace Context by their names.
 */
export interface Trace {
  readonly traceparent?: string
  readonly tracestate?: string
}

const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/
const TRACESTATE = /^[\u0020-\u007e]{1,512}$/

/** What headers or attributes say of it; nothing when it is not well-formed, as the standard wants. */
export function traceOf({ traceparent, tracestate }: Readonly<Record<string, unknown>>): Trace {
  if (typeof traceparent !== 'string' || !TRACEPARENT.test(traceparent)) return {}
  const state = typeof tracestate === 'string' && TRACESTATE.test(tracestate) ? { tracestate } : {}
  return { traceparent, ...state }
}
