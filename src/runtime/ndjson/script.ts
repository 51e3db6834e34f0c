import { type Failure, TappetError, toFailure } from '../../errors.ts'
import { type Death, type Ending, endingOf } from '../ending.ts'
import type { Instance } from '../instance.ts'
import type { Exit } from '../supervisor/protocol.ts'
import type { Child } from './child.ts'
import type { NdjsonInstanceOptions } from './instance.ts'
import { createSplitter } from './lines.ts'
import { type CallHeader, openRun } from './open-run.ts'
import { PLAIN_STACKS } from './plain-stacks.ts'
import { failed, readError, readLine, type SaidError, toEnding } from './wire.ts'

export interface ScriptOptions extends Omit<NdjsonInstanceOptions, 'start'> {
  readonly start: (handlers: Parameters<NdjsonInstanceOptions['start']>[0], header: CallHeader) => Child
}

/** EX_DATAERR of sysexits.h: no other try can help. */
const EXIT_FATAL = 65
const MAX_MESSAGE_CHARS = 1_048_576

/** A process for one call: the event on its stdin, the result on its stdout. It is started by the call. */
export function openScript(options: ScriptOptions): Instance {
  let child: Child | null = null
  let usable = true
  let death: Death | null = null
  let leave: () => void = () => undefined
  const exited = new Promise<void>((resolve) => (leave = resolve))
  const kill = async (why: Death): Promise<void> => {
    death ??= why
    usable = false
    child?.kill()
    if (child === null) leave()
    await exited
  }
  return {
    ...{ exited, kill, log: options.log, mask: options.mask, stacks: PLAIN_STACKS },
    usable: () => usable,
    lagMs: () => 0,
    check: () => undefined,
    end: () => kill('shutdown'),
    call(_type, header, payload) {
      const talk = listen(options, header as CallHeader, () => child?.kill())
      child = options.start(talk.handlers, header as CallHeader)
      child.write(payload.toString())
      child.endInput()
      const running = child
      const ended = child.exited.then(async (exit) => {
        usable = false
        const ending = await talk.ending(exit, death)
        leave()
        return ending
      })
      return { ended, cold: true, cancel: () => running.terminate() }
    },
  }
}

/** What a script says, and what its end means then. */
function listen(options: ScriptOptions, header: CallHeader, stop: () => void) {
  const { file, maxResultBytes } = options
  const run = openRun(header, options)
  let output = ''
  let refused: Failure | null = null
  let result: { readonly value: unknown } | null = null
  let error: SaidError | null = null
  const refuse = (message: string): void => {
    refused ??= toFailure(new TappetError('TPT_RESULT_INVALID', `${file}: ${message}`))
    stop()
  }
  const onMessage = (line: string): void => {
    const message = readLine(line)
    if (message.type === 'log') run.log.write(message.level, message.message, message.fields ?? null)
    else if (message.type === 'send') void run.send(message)
    else if (message.type === 'result') result = { value: message.result }
    else if (message.type === 'error') error = message.error
    else run.log.write('warn', `said on descriptor 3 what is no message: ${line.slice(0, 200)}`, null)
  }
  const tooLong = (): void =>
    refuse(`a message must have at most ${MAX_MESSAGE_CHARS} characters, one has more`)
  return {
    handlers: {
      onStdout(text: string) {
        output += text
        if (output.length > maxResultBytes)
          refuse(`its output must be at most ${maxResultBytes} bytes, got more`)
      },
      onStderr: (lines: readonly string[]) => lines.forEach((line) => run.log.write('info', line, null)),
      onMessages: createSplitter(onMessage, tooLong, MAX_MESSAGE_CHARS),
    },
    async ending(exit: Exit, death: Death | null): Promise<Ending> {
      const unsent = await run.sent()
      if (refused) return failed(refused)
      if (death !== null || exit.code === null)
        return endingOf({ file, death, booted: true, loading: false, calls: 1 }, exit)
      if (error) return failed(readError(error))
      if (exit.code !== 0) return failed(exitFailure(file, exit))
      // It has no way to learn that a message was refused.
      if (unsent) return failed(unsent)
      return toEnding(result ? (result as { value: unknown }).value : readOutput(output), maxResultBytes)
    },
  }
}

function exitFailure(file: string, { code, lastWords }: Exit): Failure {
  const message = `${file}: exited with code ${code}${lastWords === null ? '' : `: ${lastWords}`}`
  const failure = toFailure(new TappetError('TPT_FUNCTION_FAILED', message))
  return { ...failure, stack: null, retryable: code !== EXIT_FATAL }
}

/** JSON if it is, else the text; null for nothing. */
function readOutput(output: string): unknown {
  const text = output.trim()
  if (text === '') return null
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
