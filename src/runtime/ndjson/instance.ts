import { TappetError, toFailure } from '../../errors.ts'
import type { Mask } from '../../lib/mask.ts'
import { type Death, type Ending, endingOf, lost } from '../ending.ts'
import { MAX_FRAME_BYTES } from '../frames.ts'
import type { Instance } from '../instance.ts'
import { createOpenCalls } from '../open-calls.ts'
import { createProbes } from '../pings.ts'
import type { Child, ChildOptions } from './child.ts'
import { type ConversationOptions, createConversation } from './conversation.ts'
import { createSplitter } from './lines.ts'
import type { CallHeader } from './open-run.ts'
import { PLAIN_STACKS } from './plain-stacks.ts'

export type ChildHandlers = Pick<ChildOptions, 'onStdout' | 'onStderr' | 'onMessages'>

export interface NdjsonInstanceOptions extends ConversationOptions {
  readonly start: (handlers: ChildHandlers) => Child
  readonly mask: Mask
  /** Longest that it may take to say that it is ready. Default 10 s. */
  readonly readyMs?: number
}

const READY_MS = 10_000
const END_GRACE_MS = 500

/** A process that is told of calls by a line each on its stdin, and answers by lines on its stdout. */
export function startNdjsonInstance(options: NdjsonInstanceOptions): Instance {
  const { file, readyMs = READY_MS } = options
  const calls = createOpenCalls(() => undefined)
  let usable = true
  let death: Death | null = null
  let gone: Ending | null = null

  const send = (message: object): void => child.write(`${JSON.stringify(message)}\n`)
  const probes = createProbes((id) => send({ type: 'ping', id }))
  const talk = createConversation(options, {
    send,
    onReady: () => gate.open(),
    onPong: (id) => probes.answered(id),
    onAnswer: (id, ending) => calls.settle(id, ending),
  })
  const refuse = (message: string): void => {
    usable = false
    calls.settleAll(notLoaded(`${file}: ${message}`))
    child.kill()
  }
  const tooLong = (): void =>
    refuse(`its lines must have at most ${MAX_FRAME_BYTES} characters, one has more`)
  const child = options.start({
    onStdout: createSplitter(talk.read, tooLong, MAX_FRAME_BYTES),
    onStderr: (lines) => lines.forEach(talk.stray),
  })
  const gate = createGate(child.write)
  const notReady = `must say that it is ready within ${readyMs / 1_000} s, it did not`
  const loading = setTimeout(() => void (gate.isOpen() || refuse(notReady)), readyMs)
  const exited = child.exited.then(async (exit) => {
    clearTimeout(loading)
    gone = endingOf({ file, death, booted: true, loading: !gate.isOpen(), calls: talk.size() }, exit)
    await talk.answered()
    calls.settleAll(gone)
    probes.over()
  })
  const kill = (why: Death): Promise<void> => {
    death ??= why
    usable = false
    child.kill()
    return exited
  }

  return {
    ...{ exited, kill, log: options.log, mask: options.mask, stacks: PLAIN_STACKS },
    usable: () => usable && gone === null,
    lagMs: () => 0,
    call(_type, header, payload) {
      if (gone) return { ended: Promise.resolve(lost(gone)), cold: false, cancel: () => undefined }
      const cold = !gate.isOpen()
      const { id, ended } = calls.open()
      talk.open(id, header as CallHeader)
      gate.write(invokeLine(id, header, payload))
      return { ended, cold, cancel: (reason) => send({ type: 'cancel', id, reason }) }
    },
    check(withinMs) {
      // Alone, it is to blame in any case.
      if (gone === null && gate.isOpen() && talk.size() > 1) probes.ask(withinMs, () => void kill('blocked'))
    },
    async end() {
      usable = false
      child.endInput()
      const timer = setTimeout(() => void kill('shutdown'), END_GRACE_MS)
      await exited
      clearTimeout(timer)
    },
  }
}

/** Keeps what is written until it is opened. */
function createGate(write: (text: string) => void) {
  let waiting: string[] | null = []
  return {
    isOpen: () => waiting === null,
    write: (text: string) => void (waiting ? waiting.push(text) : write(text)),
    open() {
      for (const text of waiting ?? []) write(text)
      waiting = null
    },
  }
}

/** The event is JSON already. */
function invokeLine(id: number, header: object, event: Buffer): string {
  return `${JSON.stringify({ type: 'invoke', id, ...header }).slice(0, -1)},"event":${event.toString()}}\n`
}

function notLoaded(message: string): Ending {
  const failure = toFailure(new TappetError('TPT_FUNCTION_LOAD', message))
  return { kind: 'failed', failure: { ...failure, stack: null } }
}
