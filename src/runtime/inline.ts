import type { Context } from '../define/context.ts'
import type { FunctionDefinition } from '../define/define-function.ts'
import type { WebHandler } from '../define/define-web-handler.ts'
import { TappetError, toFailure } from '../errors.ts'
import { decodeJson, encodeJson } from './frames.ts'
import { admitEvent, type Answer, callHandler } from './handler/call.ts'
import { createContext, noDatabase } from './handler/context.ts'
import { createRunLog } from './handler/log-line.ts'
import { DEFAULT_MAX_RESULT_BYTES } from './handler/result.ts'
import { readVariables } from './handler/variables.ts'
import { asDefinition, type WebModule } from './handler/web-event.ts'
import { readWebModule } from './runner/web-module.ts'
import type {
  FunctionRuntime,
  HostCalls,
  Invocation,
  LoadedFunction,
  LogLine,
  Meter,
  Settled,
} from './runtime.ts'
import { serveInline } from './web/inline.ts'

const ABORT_GRACE_MS = 1_000

/**
 * Runs functions in this process: the memory twin, for tests. Nothing can be killed here: a run that does not honour
 * its signal is left behind. No console is captured, and there is no `ctx.db`.
 */
export function createInlineRuntime(
  definitions: ReadonlyMap<string, FunctionDefinition | WebHandler>,
  host: HostCalls,
  onLog: (lines: readonly LogLine[]) => void,
  variables: Readonly<Record<string, string>> = {},
): FunctionRuntime {
  const find = (id: string): FunctionDefinition => {
    const definition = definitions.get(id)
    if (!definition)
      throw new TappetError('TPT_FUNCTION_NOT_FOUND', `expected a function '${id}', found none`)
    return 'fetch' in definition ? asDefinition(webOf(definition)) : definition
  }

  const contextOf = async (
    { id, env: names, file }: LoadedFunction,
    { runId, attempt, maxAttempts, trace }: Pick<Invocation, 'runId' | 'attempt' | 'maxAttempts' | 'trace'>,
    signal: AbortSignal,
  ): Promise<Context> => {
    const { write } = createRunLog({ runId, attempt }, (line) => onLog([line]))
    const db = (): never => noDatabase(id)
    const env = await readVariables(find(id).options, names, variables, file)
    return createContext({ functionId: id, runId, attempt, maxAttempts, trace, signal, env, host, write, db })
  }

  const call = async (fn: LoadedFunction, invocation: Invocation, signal: AbortSignal): Promise<Answer> => {
    const definition = find(fn.id)
    const { trigger, event } = invocation
    const ctx = await contextOf(fn, invocation, signal)
    const options = { trigger, maxResultBytes: DEFAULT_MAX_RESULT_BYTES }
    return callHandler(definition, structuredClone(event), ctx, options)
  }

  return {
    async run(fn, invocation, signal, onStart, onMeter) {
      if (signal.aborted) return aborted(signal)
      onStart?.()
      const startedAt = performance.now()
      try {
        const answer = await withinGrace(call(fn, invocation, signal), signal)
        onMeter?.(meter(invocation, answer, performance.now() - startedAt))
        return signal.aborted || answer === null ? aborted(signal) : settledOf(answer)
      } catch (error) {
        return { ok: false, lost: false, failure: toFailure(error) }
      }
    },
    async serve(fn, { runId, trace, ...exchange }, signal, onStart, onMeter) {
      onStart?.()
      const startedAt = performance.now()
      const work = async (): Promise<Answer> => {
        const ctx = await contextOf(fn, { runId, trace, attempt: 1, maxAttempts: 1 }, signal)
        return serveInline(webOf(definitions.get(fn.id)).fetch, ctx, exchange)
      }
      const answer = await withinGrace(work(), signal).catch(toAnswer)
      const durationMs = performance.now() - startedAt
      onMeter?.({ durationMs, cpuMs: null, peakKb: null, cold: false, bytesIn: 0, bytesOut: 0 })
      const settled = signal.aborted || answer === null ? aborted(signal) : settledOf(answer)
      if (!settled.ok) exchange.response.fail(settled.failure)
      return settled
    },
    admit: async ({ id }, event, index) => admitEvent(find(id), structuredClone(event), index),
    retain: () => undefined,
    close: async () => undefined,
  }
}

function webOf(handler: unknown): WebModule {
  const web = readWebModule({ default: handler })
  if (!web) throw new TappetError('TPT_FUNCTION_INVALID', `expected a web handler, got ${typeof handler}`)
  return web
}

function toAnswer(error: unknown): Answer {
  return { ok: false, failure: toFailure(error) }
}

/** Null when the work goes on for more than a second after the signal. */
async function withinGrace<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  let grace: NodeJS.Timeout | undefined
  let onAbort = (): void => undefined
  const left = new Promise<null>((resolve) => {
    onAbort = () => {
      grace = setTimeout(() => resolve(null), ABORT_GRACE_MS)
    }
  })
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, left])
  } finally {
    clearTimeout(grace)
    signal.removeEventListener('abort', onAbort)
  }
}

/** Nothing tells what a call takes of a process that is everybody's. */
function meter({ event }: Invocation, answer: Answer | null, durationMs: number): Meter {
  const bytesOut = answer?.ok ? answer.json.length : encodeJson(answer?.failure ?? null).length
  const bytesIn = encodeJson(event).length
  return { durationMs, cpuMs: null, peakKb: null, cold: false, bytesIn, bytesOut }
}

function settledOf(answer: Answer): Settled {
  return answer.ok
    ? { ok: true, result: decodeJson(answer.json) }
    : { ok: false, lost: false, failure: answer.failure }
}

function aborted(signal: AbortSignal): Settled {
  return { ok: false, lost: false, failure: toFailure(signal.reason) }
}
