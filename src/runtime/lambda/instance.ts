import { TappetError, toFailure } from '../../errors.ts'
import { type Death, type Ending, endingOf, lost, notLoaded } from '../ending.ts'
import { MAX_FRAME_BYTES } from '../frames.ts'
import type { Instance } from '../instance.ts'
import { loopTurns } from '../loop-turns.ts'
import type { Child } from '../ndjson/child.ts'
import type { NdjsonInstanceOptions } from '../ndjson/instance.ts'
import { createSplitter } from '../ndjson/lines.ts'
import { type CallHeader, openRun } from '../ndjson/open-run.ts'
import { PLAIN_STACKS } from '../ndjson/plain-stacks.ts'
import { failed, readError, toEnding } from '../ndjson/wire.ts'
import { createOpenCalls } from '../open-calls.ts'
import type { Exit } from '../supervisor/protocol.ts'
import { type Posted, readPosted, readPostedError } from './answer.ts'
import { createDesk, type Desk, type Turn } from './desk.ts'
import { type Endpoint, openEndpoint, type RuntimeApi } from './endpoint.ts'
import { invocationHeaders } from './headers.ts'
import { requestIdOf } from './names.ts'

type Handlers = Parameters<NdjsonInstanceOptions['start']>[0]

export interface LambdaInstanceOptions extends Omit<NdjsonInstanceOptions, 'start'> {
  /** Starts the process; `address` is that of the Runtime API. */
  readonly start: (handlers: Handlers, address: string) => Child
  /** The timeout of its runs. */
  readonly timeoutMs: number
  /** Kinds of the function's triggers, in order. */
  readonly kinds: readonly string[]
}

const READY_MS = 10_000
const END_GRACE_MS = 500
const NEVER_STARTED: Exit = { code: null, signal: null, error: null, over: null, lastWords: null }

/** A process that asks for its events and posts its results, by the Runtime API of AWS Lambda: one call at a time. */
export function startLambdaInstance(options: LambdaInstanceOptions): Instance {
  const { file, maxResultBytes } = options
  const calls = createOpenCalls(() => undefined)
  const desk = createDesk()
  let child: Child | null = null
  let usable = true
  let death: Death | null = null
  let gone: Ending | null = null

  const refuse = (ending: Ending): void => {
    usable = false
    calls.settleAll(ending)
    child?.kill()
  }
  const api = createApi(desk, options, calls.settle, refuse)
  const live = async (endpoint: Endpoint): Promise<Exit> => {
    const { handlers, stop } = listen(options, desk, refuse)
    child = death === null ? options.start(handlers, endpoint.address) : null
    const exit = child ? await child.exited : NEVER_STARTED
    stop()
    await endpoint.settled()
    endpoint.close()
    return exit
  }
  const exited = openEndpoint(api, maxResultBytes)
    .then(live, (error: Error): Exit => ({ ...NEVER_STARTED, error: error.message }))
    .then((exit) => {
      gone = endingOf({ file, death, booted: true, loading: !desk.hasAsked(), calls: calls.size() }, exit)
      calls.settleAll(gone)
    })
  const kill = (why: Death): Promise<void> => {
    death ??= why
    usable = false
    child?.kill()
    return exited
  }
  const terminate = (): void => {
    usable = false
    child?.terminate()
  }

  return {
    ...{ exited, kill, log: options.log, mask: options.mask, stacks: PLAIN_STACKS },
    usable: () => usable && gone === null,
    lagMs: () => 0,
    check: () => undefined,
    call(_type, header, event) {
      if (gone) return { ended: Promise.resolve(lost(gone)), cold: false, cancel: () => undefined }
      const cold = !desk.hasAsked()
      const { id, ended } = calls.open()
      desk.put({ id, ...turnOf(header as CallHeader, event, options) })
      return { ended, cold, cancel: terminate }
    },
    async end() {
      terminate()
      const timer = setTimeout(() => void kill('shutdown'), END_GRACE_MS)
      await exited
      clearTimeout(timer)
    },
  }
}

function createApi(
  desk: Desk,
  options: LambdaInstanceOptions,
  settle: (id: number, ending: Ending) => void,
  refuse: (ending: Ending) => void,
): RuntimeApi {
  return {
    next: desk.next,
    async answered(requestId, isError, posted) {
      const turn = desk.answer(requestId)
      if (turn === null) return false
      // What it wrote before it answered is logged with its run.
      await loopTurns()
      desk.over()
      settle(turn.id, endingFor(posted, isError, turn, options))
      return true
    },
    initFailed(posted) {
      if (desk.hasAsked()) return false
      refuse(notLoadedFor(posted, options))
      return true
    },
  }
}

function turnOf(header: CallHeader, event: Buffer, options: LambdaInstanceOptions): Omit<Turn, 'id'> {
  return {
    requestId: requestIdOf(header.runId),
    run: openRun(header, options),
    next: { headers: invocationHeaders(header, options), event },
    isRequest: options.kinds[header.trigger] === 'http',
  }
}

/** What it writes is logged; that it asks for its first event is waited for so long. */
function listen(
  { file, readyMs = READY_MS, onOutput }: LambdaInstanceOptions,
  { turn, hasAsked }: Desk,
  refuse: (ending: Ending) => void,
) {
  const say = (line: string): void => {
    const run = turn()?.run
    if (run) run.log.write('info', line, null)
    else onOutput(line)
  }
  const tooLong = `its lines must have at most ${MAX_FRAME_BYTES} characters, one has more`
  const late = `must ask for its first event within ${readyMs / 1_000} s, it did not`
  const loading = setTimeout(() => void (hasAsked() || refuse(notStarted(`${file}: ${late}`))), readyMs)
  const handlers: Handlers = {
    onStdout: createSplitter(say, () => refuse(notStarted(`${file}: ${tooLong}`)), MAX_FRAME_BYTES),
    onStderr: (lines) => lines.forEach(say),
  }
  return { handlers, stop: () => clearTimeout(loading) }
}

function endingFor(
  posted: Posted | null,
  isError: boolean,
  { isRequest }: Turn,
  { maxResultBytes }: LambdaInstanceOptions,
): Ending {
  if (posted === null) {
    const message = `the result must be at most ${maxResultBytes} bytes, got more`
    return failed(toFailure(new TappetError('TPT_RESULT_INVALID', message)))
  }
  const said = isError ? readPostedError(posted) : readPosted(posted, isRequest)
  return 'result' in said ? toEnding(said.result, maxResultBytes) : failed(readError(said))
}

function notLoadedFor(posted: Posted, { file, onOutput }: LambdaInstanceOptions): Ending {
  const failure = readError(readPostedError(posted))
  onOutput(`${file}: does not load: ${failure.name}: ${failure.message}`)
  return notLoaded(file, failure)
}

function notStarted(message: string): Ending {
  const failure = toFailure(new TappetError('TPT_FUNCTION_LOAD', message))
  return { kind: 'failed', failure: { ...failure, stack: null } }
}
