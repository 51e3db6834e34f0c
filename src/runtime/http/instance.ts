import { type ErrorCode, TappetError, toFailure } from '../../errors.ts'
import { type Death, type Ending, endingOf, lost } from '../ending.ts'
import { MAX_FRAME_BYTES } from '../frames.ts'
import type { Instance } from '../instance.ts'
import { loopTurns } from '../loop-turns.ts'
import type { Child } from '../ndjson/child.ts'
import type { NdjsonInstanceOptions } from '../ndjson/instance.ts'
import { createSplitter } from '../ndjson/lines.ts'
import { type CallHeader, type OpenRun, openRun } from '../ndjson/open-run.ts'
import { PLAIN_STACKS } from '../ndjson/plain-stacks.ts'
import { failed, toEnding } from '../ndjson/wire.ts'
import { createOpenCalls } from '../open-calls.ts'
import { failureOf, resultOf } from './answer.ts'
import { eventRequest } from './event-request.ts'
import { post, TooLarge } from './post.ts'
import { freePort, givenServer, ownServer, type Server } from './server.ts'
import { openServing } from './serving.ts'
import type { HttpTarget } from '../runtime.ts'

type Handlers = Parameters<NdjsonInstanceOptions['start']>[0]

export interface HttpInstanceOptions extends Omit<NdjsonInstanceOptions, 'start'> {
  /** Starts the process that is to listen on `port`. */
  readonly start: (handlers: Handlers, port: number) => Child
  readonly target: HttpTarget
  /** Kinds of the function's triggers, in order. */
  readonly kinds: readonly string[]
}

interface Asked {
  readonly header: CallHeader
  readonly event: Buffer
  readonly signal: AbortSignal
}

const READY_MS = 10_000
const END_GRACE_MS = 500
/** A process that ends closes its connections first: for so long, its end is waited for to tell more. */
const EXIT_MS = 500

/** A server that is told of each call by a request. */
export function startHttpInstance(options: HttpInstanceOptions): Instance {
  const { file, target, readyMs = READY_MS } = options
  const calls = createOpenCalls(() => undefined)
  const runs = new Map<number, OpenRun>()
  let usable = true
  let death: Death | null = null
  let gone: Ending | null = null

  const serving = openServing({
    open: () => openServer(options, runs),
    ...{ readyPath: target.ready, readyMs },
    onLate() {
      usable = false
      calls.settleAll(late(options, readyMs))
    },
  })
  const exited = serving.exited.then(async (exit) => {
    usable = false
    await loopTurns()
    const state = { file, death, booted: true, loading: !serving.isReady(), calls: calls.size() }
    gone = endingOf(state, exit)
    calls.settleAll(gone)
  })
  const kill = (why: Death): Promise<void> => {
    death ??= why
    usable = false
    serving.kill()
    return exited
  }
  const serve = async (id: number, asked: Asked): Promise<void> => {
    const server = await serving.ready
    if (server === null) return
    const ending = await ask(options, server, asked)
    if (ending === null) await soon(exited)
    // What it wrote before it answered is logged with its run.
    await loopTurns()
    calls.settle(id, ending ?? unanswered(options))
  }

  return {
    ...{ exited, kill, log: options.log, mask: options.mask, stacks: PLAIN_STACKS },
    usable: () => usable && gone === null,
    lagMs: () => 0,
    check: () => undefined,
    call(_type, given, event) {
      if (gone) return { ended: Promise.resolve(lost(gone)), cold: false, cancel: () => undefined }
      const cold = !serving.isReady()
      const header = given as CallHeader
      const { id, ended } = calls.open()
      const stop = new AbortController()
      runs.set(id, openRun(header, options))
      void ended.then(() => runs.delete(id))
      void serve(id, { header, event, signal: stop.signal })
      const cancel = (): void => {
        // Whether it stops working on it cannot be known: it gets no more calls, and ends after those that it has.
        if (target.url === null) usable = false
        stop.abort()
        calls.settle(id, unanswered(options))
      }
      return { ended, cold, cancel }
    },
    async end() {
      usable = false
      serving.terminate()
      const timer = setTimeout(() => void kill('shutdown'), END_GRACE_MS)
      await exited
      clearTimeout(timer)
    },
  }
}

async function openServer(options: HttpInstanceOptions, runs: ReadonlyMap<number, OpenRun>): Promise<Server> {
  const { file, target, onOutput } = options
  if (target.url !== null) return givenServer(target.url)
  const say = (line: string): void => {
    const [only] = runs.values()
    if (only && runs.size === 1) only.log.write('info', line, null)
    else onOutput(line)
  }
  const tooLong = (): void => {
    onOutput(`${file}: its lines must have at most ${MAX_FRAME_BYTES} characters, one has more`)
    child.kill()
  }
  const port = await freePort()
  const child = options.start(
    {
      onStdout: createSplitter(say, tooLong, MAX_FRAME_BYTES),
      onStderr: (lines) => lines.forEach(say),
    },
    port,
  )
  return ownServer(child, port)
}

/** Null when there was no answer. */
async function ask(options: HttpInstanceOptions, server: Server, asked: Asked): Promise<Ending | null> {
  const { file, functionId, target, kinds, maxResultBytes } = options
  const { header, event, signal } = asked
  const request = eventRequest(event, functionId, header, target.content)
  try {
    const answer = await post(server, target.path, request, { maxBytes: maxResultBytes, signal })
    const failure = failureOf(file, answer)
    if (failure) return failed(failure)
    return toEnding(resultOf(answer, kinds[header.trigger] === 'http'), maxResultBytes)
  } catch (error) {
    if (!(error instanceof TooLarge)) return null
    const message = `the result must be at most ${maxResultBytes} bytes, got more`
    return failed(toFailure(new TappetError('TPT_RESULT_INVALID', message)))
  }
}

function unanswered({ file, target }: HttpInstanceOptions): Ending {
  if (target.url !== null) return stopped('TPT_OUTGOING_FAILED', `${file}: ${target.url} gave no answer`)
  return stopped('TPT_FUNCTION_FAILED', `${file}: its server closed the connection without an answer`)
}

function late({ file, target }: HttpInstanceOptions, readyMs: number): Ending {
  const expected = target.ready === null ? 'take connections' : `answer GET ${target.ready} with 2xx`
  const within = `within ${readyMs / 1_000} s, it did not`
  if (target.url !== null)
    return stopped('TPT_OUTGOING_FAILED', `${file}: ${target.url} must ${expected} ${within}`)
  return stopped('TPT_FUNCTION_LOAD', `${file}: its server must ${expected} at PORT ${within}`)
}

function stopped(code: ErrorCode, message: string): Ending {
  return { kind: 'failed', failure: { ...toFailure(new TappetError(code, message)), stack: null } }
}

async function soon(exited: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<void>((resolve) => (timer = setTimeout(resolve, EXIT_MS)))
  await Promise.race([exited, over])
  clearTimeout(timer)
}
