import type { IncomingHttpHeaders } from 'node:http'
import type { SaidError } from '../ndjson/wire.ts'

/** What a runtime posted. */
export interface Posted {
  readonly headers: IncomingHttpHeaders
  readonly trailers: NodeJS.Dict<string>
  readonly body: Buffer
}

const ERROR_TYPE = 'lambda-runtime-function-error-type'
const ERROR_BODY = 'lambda-runtime-function-error-body'
const HTTP_RESPONSE = 'application/vnd.awslambda.http-integration-response'
/** Between the prelude and the body of a streamed answer to a request. */
const PRELUDE_END = Buffer.alloc(8)

/** The result: JSON if it is, else the text; null for nothing. A stream may say at its end that it failed. */
export function readPosted(posted: Posted, isRequest: boolean): { readonly result: unknown } | SaidError {
  const { headers, trailers, body } = posted
  const type = trailers[ERROR_TYPE]
  if (type !== undefined) {
    const details = Buffer.from(trailers[ERROR_BODY] ?? '', 'base64')
    return readPostedError({ headers: { [ERROR_TYPE]: type }, trailers: {}, body: details })
  }
  const value = headers['content-type']?.startsWith(HTTP_RESPONSE) ? readStreamed(body) : readJson(body)
  return { result: isRequest ? toResponse(value) : value }
}

/** Runtimes name the type in the body, or in a header alone; and the stack as `stackTrace` or `trace`. */
export function readPostedError({ headers, body }: Posted): SaidError {
  const said = readJson(body)
  const fields = isRecord(said) ? said : {}
  const header = headers[ERROR_TYPE]
  const name = textOf(fields.errorType) ?? textOf(header) ?? 'Function.Unknown'
  const message = textOf(fields.errorMessage) ?? (typeof said === 'string' ? said : name)
  const lines = [fields.stackTrace, fields.trace].find(Array.isArray) as unknown[] | undefined
  const trace = lines?.map((line) => String(line).trimEnd()).join('\n') ?? ''
  // Some begin with what is thrown, some with where.
  const stack = trace === '' || trace.startsWith(name) ? trace : `${name}: ${message}\n${trace}`
  return {
    ...{ name, message },
    stack: stack === '' ? null : stack,
    // Lambda has no word for it; the name is that of our own error.
    retryable: !/(^|\.)FatalError$/.test(name),
  }
}

function readJson(body: Buffer): unknown {
  const text = body.toString()
  if (text.trim() === '') return null
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

function readStreamed(body: Buffer): unknown {
  const end = body.indexOf(PRELUDE_END)
  const prelude = end === -1 ? null : readJson(body.subarray(0, end))
  if (!isRecord(prelude)) return readJson(body)
  const rest = body.subarray(end + PRELUDE_END.length).toString('base64')
  return { statusCode: 200, ...prelude, body: rest, isBase64Encoded: true }
}

/** What functions behind API Gateway and function URLs return, as an answer to the request; anything else as it is. */
function toResponse(value: unknown): unknown {
  if (!isRecord(value) || !Number.isInteger(value.statusCode)) return value
  const { statusCode, headers, multiValueHeaders, cookies, body, isBase64Encoded } = value
  const text =
    typeof body === 'string' ? body : body === undefined || body === null ? '' : JSON.stringify(body)
  return {
    '~response': {
      status: statusCode,
      headers: [
        ...pairsOf(headers),
        ...pairsOf(multiValueHeaders),
        ...(Array.isArray(cookies) ? cookies : []).map((cookie) => ['set-cookie', String(cookie)]),
      ],
      body: isBase64Encoded === true ? text : Buffer.from(text).toString('base64'),
    },
  }
}

function pairsOf(headers: unknown): [name: string, value: string][] {
  if (!isRecord(headers)) return []
  return Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one): [string, string] => [
      name.toLowerCase(),
      String(one),
    ]),
  )
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
