/**
 * The process in which one version of one function runs. Starts empty, loads the bundle that LOAD names, and answers
 * calls until the broker closes the socket. Knows nothing of the ledger or the queue.
 */
import { TappetError } from '../../errors.ts'
import { decodeJson, encodeJson, FRAME, type Frame } from '../frames.ts'
import { failureOf } from '../handler/failure.ts'
import { asDefinition } from '../handler/web-event.ts'
import { readVariables } from '../handler/variables.ts'
import { createCalls } from './calls.ts'
import { openChannel } from './channel.ts'
import { createDatabase } from './database.ts'
import { describeModule, isDefinition } from './describe.ts'
import { createRemoteHost } from './host.ts'
import { loadBundle } from './load-bundle.ts'
import { shortenStack } from './stack.ts'
import { readWebModule } from './web-module.ts'
import type { Loaded } from './work.ts'

export interface LoadHeader {
  readonly functionId: string
  readonly file: string
  readonly bundle: string
  /** Names of the variables that `env` asks for. */
  readonly env: readonly string[]
  readonly maxResultBytes: number
}

export interface LoadPayload {
  /** Added to the one that the process was started with. */
  readonly environment: Readonly<Record<string, string>>
  readonly databaseUrl: string
  /** What is in the bundle, for a process that cannot read its file; else null. */
  readonly text: string | null
}

const channel = openChannel(onFrame)
const host = createRemoteHost(channel)
const calls = createCalls(channel, host)
let loaded: Promise<Loaded> = Promise.reject(new TappetError('TPT_INTERNAL', 'expected LOAD before any call'))
loaded.catch(() => undefined)

process.on('uncaughtException', onFault)
process.on('unhandledRejection', onFault)

function onFrame(frame: Frame): void {
  if (frame.type === FRAME.ping) channel.sendNow(FRAME.pong, frame.id)
  else if (frame.type === FRAME.reply) host.onReply(frame)
  else onCommand(frame)
}

function onCommand(frame: Frame): void {
  switch (frame.type) {
    case FRAME.load:
      loaded = load(frame.header as unknown as LoadHeader, decodeJson(frame.payload) as LoadPayload)
      return void report(loaded)
    case FRAME.describe:
      return void describe(frame)
    case FRAME.invoke:
      return void calls.invoke(frame, loaded)
    case FRAME.serve:
      return void calls.serve(frame, loaded)
    case FRAME.admit:
      return void calls.admit(frame, loaded)
    case FRAME.cancel:
      return calls.cancel(frame)
    case FRAME.checkEnv:
      return void checkEnv(frame)
    case FRAME.end:
      return void end()
    default:
      return calls.stream(frame)
  }
}

async function load(
  { functionId, file, bundle, env, maxResultBytes }: LoadHeader,
  { environment, databaseUrl, text }: LoadPayload,
): Promise<Loaded> {
  Object.assign(process.env, environment)
  const { exports, keepCode } = await loadBundle(bundle, text)
  const web = isDefinition(exports.default) ? null : readWebModule(exports)
  const definition = isDefinition(exports.default) ? exports.default : web && asDefinition(web)
  if (!definition) {
    const expected = 'a default export made with defineFunction, or a web handler'
    throw new TypeError(`${file}: expected ${expected}, got ${typeof exports.default}`)
  }
  let variables: Promise<unknown> | null = null
  return {
    definition,
    fetch: web?.fetch ?? null,
    // Not before a run needs them: where events are only taken in, they may be missing.
    variables: () => (variables ??= readVariables(definition.options, env, process.env, file)),
    functionId,
    maxResultBytes,
    database: createDatabase(functionId, databaseUrl),
    keepCode,
  }
}

async function report(loading: Promise<unknown>): Promise<void> {
  try {
    await loading
    // At once: a handler that kills its process must not seem to have done it while it loaded.
    channel.sendNow(FRAME.ready, 0, { ok: true })
  } catch (error) {
    channel.send(FRAME.ready, 0, { ok: false }, encodeJson(shortenStack(failureOf(error))))
  }
}

async function describe({ id, header, payload }: Frame): Promise<void> {
  try {
    const text = payload.length > 0 ? payload.toString() : null
    const description = describeModule((await loadBundle(String(header.bundle), text)).exports)
    channel.send(FRAME.answer, id, { ok: true }, encodeJson(description))
  } catch (error) {
    channel.send(FRAME.answer, id, { ok: false }, encodeJson(shortenStack(failureOf(error))))
  }
}

async function checkEnv({ id }: Frame): Promise<void> {
  try {
    await (await loaded).variables()
    channel.send(FRAME.answer, id, { ok: true })
  } catch (error) {
    channel.send(FRAME.answer, id, { ok: false }, encodeJson(failureOf(error)))
  }
}

/** The state of the process is unknown from here on: it finishes what it can and takes no more. */
function onFault(thrown: unknown): void {
  if (!calls.blame(thrown)) {
    const { stack, message } = shortenStack(failureOf(thrown))
    process.stderr.write(`thrown outside of any run: ${stack ?? message}\n`)
  }
  channel.sendNow(FRAME.retire, 0)
}

async function end(): Promise<void> {
  try {
    await (await loaded).database.close()
  } finally {
    process.exit(0)
  }
}
