import { AsyncLocalStorage } from 'node:async_hooks'
import type { FunctionDefinition } from '../../define/define-function.ts'
import type { Failure } from '../../errors.ts'
import type { Envelope } from '../../events/envelope.ts'
import { decodeJson, encodeJson, FRAME, type Frame } from '../frames.ts'
import { admitEvent, type Answer, callHandler } from '../handler/call.ts'
import { createContext } from '../handler/context.ts'
import { failureOf, toError } from '../handler/failure.ts'
import { createRunLog, type RunLog } from '../handler/log-line.ts'
import type { HostCalls, Invocation } from '../runtime.ts'
import type { Use } from '../meter.ts'
import type { Channel } from './channel.ts'
import { type CpuShare, createCpuShare } from './cpu-share.ts'
import type { Database } from './database.ts'
import { createLeftOpen } from './left-open.ts'
import { captureOutput } from './output.ts'
import { shortenStack } from './stack.ts'

/** The function that this process runs. */
export interface Loaded {
  readonly definition: FunctionDefinition
  /** What `ctx.env` is; rejects with TPT_CONFIG_INVALID when it is not as it must be. */
  readonly variables: () => Promise<unknown>
  readonly functionId: string
  readonly maxResultBytes: number
  readonly database: Database
  /** To be called when it has done something, and does nothing: it takes a while. */
  keepCode(): void
}

export interface Calls {
  invoke(frame: Frame, loaded: Promise<Loaded>): Promise<void>
  admit(frame: Frame, loaded: Promise<Loaded>): Promise<void>
  cancel(frame: Frame): void
  /** Blames the call in which it was thrown. False when there is none, or it has been answered. */
  blame(thrown: unknown): boolean
}

/** So long after a call V8's code is written down, if there is no other. */
const KEEP_CODE_MS = 20

interface Call {
  readonly id: number
  readonly log: RunLog
  readonly abort: AbortController
  /** When it came, in ms and in CPU time. */
  readonly came: { readonly atMs: number; readonly cpu: number }
  answered: boolean
}

/** The calls in this process. What is written or thrown is told apart by where it comes from, also after an await. */
export function createCalls(channel: Channel, host: HostCalls): Calls {
  const current = new AsyncLocalStorage<Call>()
  const open = new Map<number, Call>()
  const output = captureOutput(() => current.getStore()?.log)
  const cpu = createCpuShare()
  const leftOpen = createLeftOpen(() => current.getStore())

  const answer = (call: Call, result: Answer): void => {
    if (call.answered) return
    call.answered = true
    output.flush(call.log)
    open.delete(call.id)
    const payload = result.ok ? result.json : encodeJson(shortenStack(result.failure))
    channel.send(FRAME.answer, call.id, { ok: result.ok, use: useOf(call.came, cpu) }, payload)
  }

  const run = async (frame: Frame, loading: Promise<Loaded>, call: Call): Promise<Answer> => {
    const { definition, variables, functionId, maxResultBytes, database } = await loading
    const { runId, attempt, maxAttempts, trigger, trace } = frame.header as unknown as Invocation
    const { signal } = call.abort
    const { write } = call.log
    const ctx = createContext({
      ...{ functionId, runId, attempt, maxAttempts, trace, signal },
      ...{ env: await variables(), host, write },
      db: database.pool,
    })
    return callHandler(definition, decodeJson(frame.payload) as Envelope, ctx, { trigger, maxResultBytes })
  }

  const keepCode = createCodeKeeper(() => open.size === 0)

  return {
    async invoke(frame, loading) {
      const call = openCall(frame, channel, { atMs: performance.now(), cpu: cpu.begin() })
      open.set(call.id, call)
      const findLeftOpen = leftOpen.watch(call, () => open.size === 1)
      const result = await current.run(call, () => run(frame, loading, call)).catch(toAnswer)
      const left = call.answered ? null : findLeftOpen()
      if (left !== null) call.log.write('warn', `left open after the function had returned: ${left}`, null)
      answer(call, result)
      if (result.ok) keepCode(loading)
    },
    async admit(frame, loading) {
      const check = async (): Promise<Answer> => {
        const { definition } = await loading
        const event = decodeJson(frame.payload) as Envelope
        return {
          ok: true,
          json: encodeJson(await admitEvent(definition, event, Number(frame.header.trigger))),
        }
      }
      const result = await check().catch(toAnswer)
      const payload = result.ok ? result.json : encodeJson(result.failure)
      channel.send(FRAME.answer, frame.id, { ok: result.ok }, payload)
    },
    cancel({ id, payload }) {
      open.get(id)?.abort.abort(toError(decodeJson(payload) as Failure))
    },
    blame(thrown) {
      const call = current.getStore()
      if (!call) return false
      if (call.answered) {
        const { message, stack } = shortenStack(failureOf(thrown))
        call.log.write('error', `thrown after the function had returned: ${stack ?? message}`, null)
      }
      answer(call, { ok: false, failure: failureOf(thrown) })
      return true
    },
  }
}

/** Once, when the process has done something and does nothing. */
function createCodeKeeper(isIdle: () => boolean): (loading: Promise<Loaded>) => void {
  let asked = false
  return (loading) => {
    if (asked || !isIdle()) return
    asked = true
    setTimeout(() => {
      asked = isIdle()
      if (asked) void loading.then((loaded) => loaded.keepCode())
    }, KEEP_CODE_MS).unref()
  }
}

function useOf({ atMs, cpu: began }: Call['came'], cpu: CpuShare): Use {
  const ms = performance.now() - atMs
  return [toUs(ms), toUs(cpu.end(began)), process.resourceUsage().maxRSS]
}

/** Ms to the microsecond: more is noise. */
function toUs(ms: number): number {
  return Math.round(ms * 1_000) / 1_000
}

function openCall({ id, header }: Frame, channel: Channel, came: Call['came']): Call {
  const log = createRunLog(header as unknown as Invocation, (line) =>
    channel.sendNow(FRAME.log, id, {}, encodeJson(line)),
  )
  return { id, log, came, abort: new AbortController(), answered: false }
}

function toAnswer(error: unknown): Answer {
  return { ok: false, failure: failureOf(error) }
}
