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

/** An instance that web handlers can be in. */
export interface WebInstance extends Instance {
  /** When the function can be called. Never, if it does not load. */
  readonly loaded: Promise<void>
  /** Starts a call that goes on by further frames in both directions; those that come from it go to `onFrame`. */
  converse(header: object, payload: Buffer, onFrame: (frame: Frame) => void): Conversation
}

export interface Conversation extends Call {
  /** Nothing once it has ended. */
  send(type: number, header?: object, payload?: Buffer): void
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
  /** Longest that the process may take to start and to import the bundle. Default 10 s, as on Lambda. */
  readonly loadMs?: number
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
const LOAD_MS = 10_000
const LOAD_GRACE_MS = 500

export function startInstance(options: InstanceOptions): WebInstance {
  const { fn, onOutput, loadMs = LOAD_MS } = options
  let booted = false
  const load = createLoad(loadMs, () => void kill('loading'))
  const runner = startLoading(options, { onFrame, onOutput })
  const probes = createProbes((id) => runner.send(FRAME.ping, id))
  const calls = createOpenCalls((some) => {
    runner.hold(some)
    probes.watch(some && load.isOver())
  })
  let usable = true
  const conversations = createConversations(runner)
  let death: Death | null = null
  let gone: Ending | null = null

  function onFrame(frame: Frame): void {
    booted ||= frame.id !== PING.spare || frame.type !== FRAME.pong
    if (frame.type === FRAME.answer) calls.settle(frame.id, toEnding(frame))
    else if (frame.type === FRAME.log) options.log.write(decodeJson(frame.payload) as LogLine)
    else if (frame.type === FRAME.call) void replyTo(frame, runner, options)
    else if (frame.type === FRAME.pong) probes.answered(frame.id)
    else if (frame.type === FRAME.retire) retire()
    else if (frame.type === FRAME.ready) onReady(frame)
    else conversations.take(frame)
  }
  function onReady(frame: Frame): void {
    load.end(frame.header.ok === true)
    if (frame.header.ok === true) return probes.watch(calls.size() > 0)
    usable = false
    calls.settleAll(notLoaded(fn.file, decodeJson(frame.payload) as Failure))
    runner.kill()
  }
  const retire = (): void => {
    usable = false
    if (calls.size() === 0) void end()
  }
  const exited = runner.exited.then((exit) => {
    gone = endingOf({ file: fn.file, death, booted, loading: !load.isOver(), calls: calls.size() }, exit)
    calls.settleAll(gone)
    load.end(false)
    probes.over()
  })
  const kill = (why: Death): Promise<void> => {
    death ??= why
    usable = false
    runner.kill()
    return exited
  }
  function end(): Promise<void> {
    usable = false
    return endRunner(runner, exited, () => void kill('shutdown'))
  }
  function call(type: number, header: object, payload: Buffer): Call & { readonly id: number } {
    if (gone) return lostCall(gone)
    const { id, ended } = calls.open()
    runner.send(type, id, header, payload)
    const cold = !load.isOver()
    if (!cold) probes.probe()
    return { id, ended, cold, cancel: (reason) => cancel(runner, id, reason) }
  }

  return {
    ...{ log: options.log, stacks: options.stacks, mask: options.mask },
    ...{ exited, kill, end, call, loaded: load.succeeded },
    usable: () => usable && gone === null,
    lagMs: () => (!load.isOver() || calls.size() === 0 ? 0 : probes.ms()),
    converse: (header, payload, listen) => conversations.open(call(FRAME.serve, header, payload), listen),
    check(withinMs) {
      if (!gone) probes.ask(withinMs, () => void kill('blocked'))
    },
  }
}

interface Load {
  isOver(): boolean
  end(ok: boolean): void
  readonly succeeded: Promise<void>
}

function createLoad(withinMs: number, onLate: () => void): Load {
  let over = false
  let succeed = (): void => undefined
  const succeeded = new Promise<void>((resolve) => (succeed = resolve))
  // What has come while we did nothing is read first.
  const late = (): void => void (timer = setTimeout(onLate, LOAD_GRACE_MS))
  let timer = setTimeout(late, withinMs)
  return {
    succeeded,
    isOver: () => over,
    end(ok) {
      over = true
      clearTimeout(timer)
      if (ok) succeed()
    },
  }
}

async function endRunner(runner: RunnerProcess, exited: Promise<void>, kill: () => void): Promise<void> {
  runner.send(FRAME.end, 0)
  const timer = setTimeout(kill, END_GRACE_MS)
  await exited
  clearTimeout(timer)
}

interface Conversations {
  open(call: Call & { readonly id: number }, listen: (frame: Frame) => void): Conversation
  /** A frame for one of them; one that is over gets no more. */
  take(frame: Frame): void
}

function createConversations(runner: RunnerProcess): Conversations {
  const listeners = new Map<number, (frame: Frame) => void>()
  return {
    take: (frame) => listeners.get(frame.id)?.(frame),
    open(call, listen) {
      const { id, ended } = call
      listeners.set(id, listen)
      void ended.then(() => listeners.delete(id))
      const send: Conversation['send'] = (type, ...rest) => {
        if (listeners.get(id) === listen) runner.send(type, id, ...rest)
      }
      return { ...call, send }
    },
  }
}

function lostCall(gone: Ending): Call & { readonly id: number } {
  return { id: 0, ended: Promise.resolve(lost(gone)), cold: false, cancel: () => undefined }
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
