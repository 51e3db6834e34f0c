import { validateHeaderName, validateHeaderValue } from 'node:http'

import { errorBody, errorHeaders, toPublicError } from '../../api/error-body.ts'
import type { HttpReply } from '../../api/server.ts'
import { TappetError } from '../../errors.ts'
import { type EncodedResponse, isEncodedResponse } from '../../events/response.ts'
import type { Accepted, RunEnd } from '../trigger.ts'

/** They belong to the connection, or to us. */
const DROPPED_HEADERS =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|content-length|upgrade|date|tappet-.*)$/i
const WITHOUT_BODY = [204, 205, 304]

/** 202: durable, and where to look for how it goes; without a run when the first delivery's is not kept any more. */
export function sendAccepted(reply: HttpReply, { eventId, duplicate }: Accepted, runId?: string): HttpReply {
  if (runId === undefined) return json(reply.code(202), { event: eventId, duplicate })
  const status = `/_tappet/runs/${runId}`
  const body = { run: runId, event: eventId, status, duplicate }
  return json(reply.code(202).header('location', status), body)
}

/** What the run came to, for the caller who waited. */
export function sendEnd(reply: HttpReply, runId: string, end: RunEnd): HttpReply {
  if (end.state === 'dead') return sendError(reply, toPublicError(end.failure, runId))
  if (end.state === 'cancelled')
    return sendError(reply, new TappetError('TPT_CONFLICT', `The run ${runId} was cancelled.`))
  if (!isEncodedResponse(end.result)) return json(reply.code(200), end.result ?? null)
  return sendResponse(reply, end.result['~response'])
}

export function sendError(reply: HttpReply, error: TappetError, status = error.status): HttpReply {
  return json(reply.code(status).headers(errorHeaders(status, error.code)), errorBody(error))
}

function sendResponse(reply: HttpReply, response: EncodedResponse['~response']): HttpReply {
  if (!isWellFormed(response)) {
    return sendError(
      reply,
      new TappetError('TPT_RESULT_INVALID', 'The function returned a malformed response.'),
    )
  }
  const { status, headers, body } = response
  reply.code(status)
  for (const [name, value] of headers) {
    if (!DROPPED_HEADERS.test(name) && isHeader(name, value)) reply.header(name, value)
  }
  if (body === '' || WITHOUT_BODY.includes(status)) return reply.send()
  return reply.send(Buffer.from(body, 'base64'))
}

/** Checks again what a web `Response` has promised: a function may return the same shape by hand. */
function isWellFormed(response: Partial<EncodedResponse['~response']> | null): boolean {
  const { status = 0, headers, body } = response ?? {}
  const known = Number.isInteger(status) && status >= 200 && status <= 599
  return (
    known &&
    typeof body === 'string' &&
    Array.isArray(headers) &&
    headers.every((pair) => Array.isArray(pair))
  )
}

function isHeader(name: unknown, value: unknown): boolean {
  try {
    validateHeaderName(name as string)
    validateHeaderValue(name as string, value as string)
    return typeof value === 'string'
  } catch {
    return false
  }
}

function json(reply: HttpReply, body: unknown): HttpReply {
  return reply.type('application/json').send(JSON.stringify(body))
}
