import type { Context } from '../../define/context.ts'
import type { FunctionDefinition } from '../../define/define-function.ts'
import type { WebFetch } from '../../define/define-web-handler.ts'
import type { Envelope } from '../../events/envelope.ts'
import { decodeJson, type Frame } from '../frames.ts'
import { type Answer, callHandler } from '../handler/call.ts'
import { createContext } from '../handler/context.ts'
import type { RunLog } from '../handler/log-line.ts'
import { serveRequest } from '../handler/web.ts'
import type { HostCalls, Invocation } from '../runtime.ts'
import type { Database } from './database.ts'
import type { WebStreams } from './web-streams.ts'

/** The function that this process runs. */
export interface Loaded {
  readonly definition: FunctionDefinition
  /** What answers requests; null when it is none that does. */
  readonly fetch: WebFetch | null
  /** What `ctx.env` is; rejects with TPT_CONFIG_INVALID when it is not as it must be. */
  readonly variables: () => Promise<unknown>
  readonly functionId: string
  readonly maxResultBytes: number
  readonly database: Database
  /** To be called when it has done something, and does nothing: it takes a while. */
  keepCode(): void
}

/** What the author's code gets of the call that it is in. */
export interface Surroundings {
  readonly signal: AbortSignal
  readonly log: RunLog
  readonly host: HostCalls
}

/** What a call does with the function. Rejects when it does not load, or its variables are not as they must be. */
export type Work = (frame: Frame, loading: Promise<Loaded>, around: Surroundings) => Promise<Answer>

/** Runs the handler on the event of INVOKE. */
export const runHandler: Work = async (frame, loading, around) => {
  const loaded = await loading
  const { definition, maxResultBytes } = loaded
  const ctx = await contextOf(frame, loaded, around)
  const trigger = Number(frame.header.trigger)
  return callHandler(definition, decodeJson(frame.payload) as Envelope, ctx, { trigger, maxResultBytes })
}

/** Lets the web handler answer the request of SERVE. */
export function respondOn({ head, body, gone, sink }: WebStreams): Work {
  return async (frame, loading, around) => {
    const loaded = await loading
    const { fetch } = loaded
    if (!fetch) throw new TypeError('expected a web handler to answer a request, found none')
    const ctx = await contextOf(frame, loaded, around)
    return serveRequest({ fetch, head, body, ctx, gone, sink })
  }
}

async function contextOf(
  { header }: Frame,
  { variables, functionId, database }: Loaded,
  { signal, log, host }: Surroundings,
): Promise<Context> {
  const { runId, attempt, maxAttempts, trace } = header as unknown as Invocation
  return createContext({
    ...{ functionId, runId, attempt, maxAttempts, trace, signal },
    ...{ env: await variables(), host, write: log.write },
    db: database.pool,
  })
}
