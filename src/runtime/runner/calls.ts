import { AsyncLocalStorage } from 'node:async_hooks'
import type { Failure } from '../../errors.ts'
import type { Envelope } from '../../events/envelope.ts'
import { decodeJson, encodeJson, FRAME, type Frame } from '../frames.ts'
import { admitEvent, type Answer } from '../handler/call.ts'
import { failureOf, toError } from '../handler/failure.ts'
import { createRunLog, type RunLog } from '../handler/log-line.ts'
import type { HostCalls, Invocation } from '../runtime.ts'
import type { Use } from '../meter.ts'
import type { Channel } from './channel.ts'
import { type CpuShare, createCpuShare } from './cpu-share.ts'
import { createLeftOpen } from './left-open.ts'
import { captureOutput } from './output.ts'
import { shortenStack } from './stack.ts'
import { openStreams, type WebStreams } from './web-streams.ts'
import { type Loaded, respondOn, runHandler, type Work } from './work.ts'

export interface Calls {
  /** Lets a web handler answer a request. */
  serve(frame: Frame, loaded: Promise<Loaded>): Promise<void>
  /** A frame for a request that is being answered. */
  stream(frame: Frame): void
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
  const streams = new Map<number, WebStreams>()
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
    streams.get(call.id)?.close()
    streams.delete(call.id)
  }

  const conduct = async (frame: Frame, loading: Promise<Loaded>, work: Work): Promise<void> => {
    const call = openCall(frame, channel, { atMs: performance.now(), cpu: cpu.begin() })
    open.set(call.id, call)
    const findLeftOpen = leftOpen.watch(call, () => open.size === 1)
    const result = await current
      .run(call, () => work(frame, loading, { ...call, signal: call.abort.signal, host }))
      .catch(toAnswer)
    const left = call.answered ? null : findLeftOpen()
    if (left !== null) call.log.write('warn', `left open after the function had returned: ${left}`, null)
    answer(call, result)
    if (result.ok) keepCode(loading)
  }

  const keepCode = createCodeKeeper(() => open.size === 0)

  return {
    invoke: (frame, loading) => conduct(frame, loading, runHandler),
    serve(frame, loading) {
      const opened = openStreams(frame, channel)
      streams.set(frame.id, opened)
      return conduct(frame, loading, respondOn(opened))
    },
    stream: (frame) => streams.get(frame.id)?.take(frame),
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
