import type { FunctionDefinition } from '../define/define-function.ts'
import { TappetError, toFailure } from '../errors.ts'
import { decodeJson, encodeJson } from './frames.ts'
import { admitEvent, type Answer, callHandler } from './handler/call.ts'
import { createContext, noDatabase } from './handler/context.ts'
import { createRunLog } from './handler/log-line.ts'
import { DEFAULT_MAX_RESULT_BYTES } from './handler/result.ts'
import { readVariables } from './handler/variables.ts'
import type {
  FunctionRuntime,
  HostCalls,
  Invocation,
  LoadedFunction,
  LogLine,
  Meter,
  Settled,
} from './runtime.ts'

const ABORT_GRACE_MS = 1_000

/**
 * Runs functions in this process: the memory twin, for tests. Nothing can be killed here: a run that does not honour
 * its signal is left behind. No console is captured, and there is no `ctx.db`.
 */
export function createInlineRuntime(
  definitions: ReadonlyMap<string, FunctionDefinition>,
  host: HostCalls,
  onLog: (lines: readonly LogLine[]) => void,
  variables: Readonly<Record<string, string>> = {},
): FunctionRuntime {
  const find = (id: string): FunctionDefinition => {
    const definition = definitions.get(id)
    if (!definition)
      throw new TappetError('TPT_FUNCTION_NOT_FOUND', `expected a function '${id}', found none`)
    return definition
  }

  const call = async (fn: LoadedFunction, invocation: Invocation, signal: AbortSignal): Promise<Answer> => {
    const { id, env: names, file } = fn
    const definition = find(id)
    const { runId, attempt, maxAttempts, trigger, event, trace } = invocation
    const { write } = createRunLog(invocation, (line) => onLog([line]))
    const db = (): never => noDatabase(id)
    const env = await readVariables(definition.options, names, variables, file)
    const parts = { functionId: id, runId, attempt, maxAttempts, trace, signal, env, host, write, db }
    const ctx = createContext(parts)
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
    admit: async ({ id }, event, index) => admitEvent(find(id), structuredClone(event), index),
    retain: () => undefined,
    close: async () => undefined,
  }
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
