import type { Failure } from '../errors.ts'
import type { Mask } from '../lib/mask.ts'
import { type Death, type Ending, endingOf, lost, notLoaded } from './ending.ts'
import { decodeJson, encodeJson, FRAME, type Frame } from './frames.ts'
import type { LogOrder } from './log-order.ts'
import { createOpenCalls } from './open-calls.ts'
import { createProbes, PING } from './pings.ts'
import type { RunnerHandlers, RunnerProcess } from './runner-process.ts'
import type { LoadHeader } from './runner/main.ts'
import type { LoadedFunction, LogLine } from './runtime.ts'
import { loadOf } from './sandbox/confined.ts'
import type { Stacks } from './stacks/stacks.ts'

/** One process with one version of one function in it, and the calls that are in it. */
export interface Instance {
  /** Starts a call. `type` is FRAME.invoke or FRAME.admit. */
  call(type: number, header: object, payload: Buffer): Call
  /** Takes further calls: it has loaded or is about to, and nothing is wrong with it. */
  usable(): boolean
  /** How long its event loop takes to come round, with calls in it; 0 when nothing is known. */
  lagMs(): number
  /** Kills it as blocked unless it answers within `withinMs`. */
  check(withinMs: number): void
  /** Lets it close what it has open; kills it soon if that takes long. */
  end(): Promise<void>
  kill(why: Death): Promise<void>
  readonly exited: Promise<void>
  readonly log: LogOrder
  readonly stacks: Stacks
  /** For what it says that is no log line. */
  readonly mask: Mask
}

export interface Call {
  readonly ended: Promise<Ending>
  /** The process had not loaded the function yet when it came. */
  readonly cold: boolean
  /** Aborts the function's signal. */
  cancel(reason: Failure): void
}

export interface InstanceOptions {
  readonly fn: LoadedFunction
  /** Gives the process. */
  readonly start: (handlers: RunnerHandlers) => RunnerProcess
  readonly environment: Readonly<Record<string, string>>
  readonly databaseUrl: string
  readonly maxResultBytes: number
  readonly log: LogOrder
  readonly stacks: Stacks
  readonly mask: Mask
  /** What it wrote that belongs to no run. */
  readonly onOutput: (line: string) => void
  /** Answers a CALL. */
  readonly onCall: (frame: Frame) => Promise<Reply>
}

export interface Reply {
  readonly ok: boolean
  readonly payload: Buffer
}

const END_GRACE_MS = 500

export function startInstance(options: InstanceOptions): Instance {
  const { fn, onOutput } = options
  let booted = false
  let loading = true
  const runner = startLoading(options, { onFrame, onOutput })
  const probes = createProbes((id) => runner.send(FRAME.ping, id))
  const calls = createOpenCalls((some) => {
    runner.hold(some)
    probes.watch(some && !loading)
  })
  let usable = true
  let death: Death | null = null
  let gone: Ending | null = null

  function onFrame(frame: Frame): void {
    booted ||= frame.id !== PING.spare || frame.type !== FRAME.pong
    if (frame.type === FRAME.answer) calls.settle(frame.id, toEnding(frame))
    else if (frame.type === FRAME.log) options.log.write(decodeJson(frame.payload) as LogLine)
    else if (frame.type === FRAME.call) void replyTo(frame, runner, options)
    else if (frame.type === FRAME.pong) probes.answered(frame.id)
    else if (frame.type === FRAME.retire) onRetire()
    else if (frame.type === FRAME.ready) onReady(frame)
  }
  function onReady(frame: Frame): void {
    loading = false
    if (frame.header.ok === true) return probes.watch(calls.size() > 0)
    usable = false
    calls.settleAll(notLoaded(fn.file, decodeJson(frame.payload) as Failure))
    runner.kill()
  }
  function onRetire(): void {
    usable = false
    if (calls.size() === 0) void end()
  }
  const exited = runner.exited.then((exit) => {
    gone = endingOf({ file: fn.file, death, booted, loading, calls: calls.size() }, exit)
    calls.settleAll(gone)
    probes.over()
  })
  const kill = (why: Death): Promise<void> => {
    death ??= why
    usable = false
    runner.kill()
    return exited
  }
  async function end(): Promise<void> {
    usable = false
    runner.send(FRAME.end, 0)
    const timer = setTimeout(() => void kill('shutdown'), END_GRACE_MS)
    await exited
    clearTimeout(timer)
  }

  return {
    ...{ log: options.log, stacks: options.stacks, mask: options.mask },
    exited,
    kill,
    end,
    usable: () => usable && gone === null,
    lagMs: () => (loading || calls.size() === 0 ? 0 : probes.ms()),
    call(type, header, payload) {
      if (gone) return lostCall(gone)
      const { id, ended } = calls.open()
      runner.send(type, id, header, payload)
      if (!loading) probes.probe()
      return { ended, cold: loading, cancel: (reason) => cancel(runner, id, reason) }
    },
    check(withinMs) {
      if (!gone) probes.ask(withinMs, () => void kill('blocked'))
    },
  }
}

function lostCall(gone: Ending): Call {
  return { ended: Promise.resolve(lost(gone)), cold: false, cancel: () => undefined }
}

function cancel(runner: RunnerProcess, id: number, reason: Failure): void {
  runner.send(FRAME.cancel, id, {}, encodeJson(reason))
}

async function replyTo(frame: Frame, runner: RunnerProcess, { onCall }: InstanceOptions): Promise<void> {
  const { ok, payload } = await onCall(frame)
  runner.send(FRAME.reply, frame.id, { ok }, payload)
}

function toEnding({ header, payload }: Frame): Ending {
  return { kind: 'answered', ok: header.ok === true, payload, use: header.use }
}

function startLoading(options: InstanceOptions, handlers: RunnerHandlers): RunnerProcess {
  const runner = options.start(handlers)
  const { fn, maxResultBytes, environment, databaseUrl } = options
  const { id: functionId, file, bundle, env } = fn
  const header: LoadHeader = { functionId, file, bundle, env, maxResultBytes }
  // Secrets are not in a command line, nor in an environment at start: those can be read by others.
  const payload = loadOf(fn, environment, databaseUrl)
  // Answered before anything of the function's runs.
  runner.send(FRAME.ping, PING.boot)
  runner.send(FRAME.load, 0, header, encodeJson(payload))
  return runner
}
