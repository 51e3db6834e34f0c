import { TappetError } from '../../errors.ts'
import { parseJson } from '../../lib/json.ts'
import { requestIdOf } from '../../runtime/lambda/names.ts'
import type { LoadedFunction } from '../../runtime/runtime.ts'
import { readBody } from '../body.ts'
import type { AdminDeps } from '../deps.ts'
import { subscriptionOf } from '../find-function.ts'
import { invocationEvent } from '../invoke-event.ts'
import type { HttpRequest } from '../server.ts'
import { type Answer, tailOf, toAnswer } from './answer.ts'
import { LambdaError } from './error.ts'
import { resolveFunction } from './name.ts'

const TYPES = ['RequestResponse', 'Event', 'DryRun'] as const
export type InvocationType = (typeof TYPES)[number]

/** Lambda's: 6 MB when the caller waits, 1 MB when not. */
const MAX_PAYLOAD_BYTES = { RequestResponse: 6_291_456, Event: 1_048_576, DryRun: 6_291_456 }
/** The run may wait for a worker before its own timeout begins; the server drops connections that are silent longer. */
const QUEUE_MS = 30_000
const MAX_WAIT_MS = 330_000

/** A call of Lambda's Invoke API, read and checked. */
export interface Call {
  readonly fn: LoadedFunction
  readonly type: InvocationType
  readonly payload: unknown
  /** The caller wants the end of the log. */
  readonly tail: boolean
}

/**
 * @param types that the route has, the default first; where it has one, the header is not looked at.
 * @throws LambdaError or TappetError when the call cannot be made; nothing is stored then.
 */
export async function readCall(
  request: HttpRequest,
  deps: AdminDeps,
  types: readonly [InvocationType, ...InvocationType[]] = TYPES,
): Promise<Call> {
  const { name = '' } = request.params as { readonly name?: string }
  const { Qualifier } = request.query as { readonly Qualifier?: string }
  const fn = resolveFunction(deps.catalog().functions, name, Qualifier)
  const type = types.length === 1 ? types[0] : choice(request, 'x-amz-invocation-type', types)
  const tail = choice(request, 'x-amz-log-type', ['None', 'Tail']) === 'Tail'
  const body = await readBody(request, MAX_PAYLOAD_BYTES[type]).catch((error: unknown) => {
    if (!(error instanceof TappetError) || error.code !== 'TPT_EVENT_TOO_LARGE') throw error
    const message = `Request must be smaller than ${MAX_PAYLOAD_BYTES[type]} bytes for the InvokeFunction operation`
    throw new LambdaError('RequestTooLargeException', message)
  })
  return { fn, type, tail, payload: body.length === 0 ? {} : readPayload(body) }
}

function readPayload(body: Buffer): unknown {
  try {
    return parseJson(body)
  } catch (error) {
    const message = `Could not parse request body into json: ${(error as Error).message}`
    throw new LambdaError('InvalidRequestContentException', message)
  }
}

function choice<const T extends string>(
  request: HttpRequest,
  header: string,
  values: readonly [T, ...T[]],
): T {
  const given = request.headers[header]
  if (given === undefined) return values[0]
  const found = values.find((value) => value === given)
  if (found !== undefined) return found
  const message = `${header} must be one of ${values.join(', ')}, got ${JSON.stringify(String(given).slice(0, 100))}`
  throw new LambdaError('InvalidParameterValueException', message)
}

export interface Started {
  readonly runId: string
  readonly requestId: string
}

/** Writes the event down. A caller who waits tries again himself, as Lambda has it: his run gets one attempt. */
export async function start({ fn, type, payload }: Call, deps: AdminDeps): Promise<Started> {
  const event = invocationEvent(fn.id, fn.triggers[0], payload)
  const once = type === 'RequestResponse' ? { maxAttempts: 1 } : {}
  const { runIds } = await deps.emit(event, [subscriptionOf(fn, 0)], once)
  const [runId = ''] = runIds
  return { runId, requestId: requestIdOf(runId) }
}

export interface Ended extends Answer {
  /** In base 64; null when it was not asked for. */
  readonly logResult: string | null
}

/** @throws LambdaError ServiceException when the run is not over in time: it goes on. */
export async function waitFor(
  { fn, tail }: Call,
  { runId, requestId }: Started,
  deps: AdminDeps,
): Promise<Ended> {
  const waitMs = Math.min(fn.timeoutMs + QUEUE_MS, MAX_WAIT_MS)
  const end = await deps.awaitRun(runId, waitMs)
  if (end === null) {
    const message = `${runId} is not over after ${waitMs} ms; it goes on: see /_tappet/runs/${runId}`
    throw new LambdaError('ServiceException', message)
  }
  const logResult = tail ? await tailOf(deps.store, runId, requestId) : null
  return { ...toAnswer(end, requestId), logResult }
}
