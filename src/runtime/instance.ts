import type { Failure } from '../errors.ts'
import { type Death, type Ending, endingOf, lost, notLoaded } from './ending.ts'
import { decodeJson, encodeJson, FRAME, type Frame } from './frames.ts'
import { startRunner } from './runner-process.ts'
import type { LoadHeader } from './runner/main.ts'
import type { LoadedFunction, LogLine } from './runtime.ts'

/** One process with one version of one function in it, and the calls that are in it. */
export interface Instance {
  /** Starts a call. `type` is FRAME.invoke or FRAME.admit. */
  call(type: number, header: object, payload: Buffer): Call
  /** Takes further calls: it has loaded or is about to, and nothing is wrong with it. */
  usable(): boolean
  /** Kills it as blocked unless it answers within `withinMs`. */
  check(withinMs: number): void
  /** Lets it close what it has open; kills it soon if that takes long. */
  end(): Promise<void>
  kill(why: Death): Promise<void>
  readonly exited: Promise<void>
}

export interface Call {
  readonly ended: Promise<Ending>
  /** Aborts the function's signal. */
  cancel(reason: Failure): void
}

export interface InstanceOptions {
  readonly fn: LoadedFunction
  readonly root: string
  readonly environment: Readonly<Record<string, string>>
  readonly databaseUrl: string
  readonly maxResultBytes: number
  readonly flags: readonly string[]
  readonly onLog: (line: LogLine) => void
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
  const { fn, root: cwd, environment, flags, onOutput } = options
  const runner = startRunner({ cwd, environment, flags, onFrame, onOutput })
  const pings = createPings(() => runner.send(FRAME.ping, 0))
  const calls = createOpenCalls((some) => runner.hold(some))
  let loading = true
  let usable = true
  let death: Death | null = null
  let gone: Ending | null = null

  function onFrame(frame: Frame): void {
    if (frame.type === FRAME.answer) calls.settle(frame.id, toEnding(frame))
    else if (frame.type === FRAME.log) options.onLog(decodeJson(frame.payload) as LogLine)
    else if (frame.type === FRAME.call) void reply(frame)
    else if (frame.type === FRAME.pong) pings.answered()
    else if (frame.type === FRAME.retire) onRetire()
    else if (frame.type === FRAME.ready) onReady(frame)
  }
  function onReady(frame: Frame): void {
    loading = false
    if (frame.header.ok === true) return
    usable = false
    calls.settleAll(notLoaded(fn.file, decodeJson(frame.payload) as Failure))
    runner.kill()
  }
  function onRetire(): void {
    usable = false
    if (calls.size() === 0) void end()
  }
  async function reply(frame: Frame): Promise<void> {
    const { ok, payload } = await options.onCall(frame)
    runner.send(FRAME.reply, frame.id, { ok }, payload)
  }

  runner.send(FRAME.load, 0, toLoadHeader(options))
  const exited = runner.exited.then((exit) => {
    gone = endingOf({ file: fn.file, death, loading, calls: calls.size() }, exit)
    calls.settleAll(gone)
    pings.answered()
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
    exited,
    kill,
    end,
    usable: () => usable && gone === null,
    call(type, header, payload) {
      if (gone) return { ended: Promise.resolve(lost(gone)), cancel: () => undefined }
      const { id, ended } = calls.open()
      runner.send(type, id, header, payload)
      return { ended, cancel: (reason) => runner.send(FRAME.cancel, id, {}, encodeJson(reason)) }
    },
    check(withinMs) {
      if (!gone) pings.ask(withinMs, () => void kill('blocked'))
    },
  }
}

interface Pings {
  /** One question at a time: another joins the one that is under way. */
  ask(withinMs: number, onSilence: () => void): void
  answered(): void
}

function createPings(send: () => void): Pings {
  let timer: NodeJS.Timeout | null = null
  return {
    ask(withinMs, onSilence) {
      if (timer) return
      timer = setTimeout(onSilence, withinMs)
      send()
    },
    answered() {
      clearTimeout(timer ?? undefined)
      timer = null
    },
  }
}

interface OpenCalls {
  open(): { readonly id: number; readonly ended: Promise<Ending> }
  settle(id: number, ending: Ending): void
  settleAll(ending: Ending): void
  size(): number
}

/** `onChange` is told whether there are any. */
function createOpenCalls(onChange: (some: boolean) => void): OpenCalls {
  const calls = new Map<number, (ending: Ending) => void>()
  let lastId = 0
  const settle = (id: number, ending: Ending): void => {
    const done = calls.get(id)
    calls.delete(id)
    if (calls.size === 0) onChange(false)
    done?.(ending)
  }
  return {
    settle,
    open() {
      const id = (lastId = (lastId + 1) >>> 0)
      const ended = new Promise<Ending>((resolve) => calls.set(id, resolve))
      if (calls.size === 1) onChange(true)
      return { id, ended }
    },
    settleAll(ending) {
      for (const id of [...calls.keys()]) settle(id, ending)
    },
    size: () => calls.size,
  }
}

function toEnding({ header, payload }: Frame): Ending {
  return { kind: 'answered', ok: header.ok === true, payload }
}

function toLoadHeader({ fn, databaseUrl, maxResultBytes }: InstanceOptions): LoadHeader {
  return { functionId: fn.id, file: fn.file, bundle: fn.bundle, databaseUrl, maxResultBytes }
}
