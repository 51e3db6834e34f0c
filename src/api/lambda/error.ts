import type { ErrorCode, TappetError } from '../../errors.ts'
import { asTappetError } from '../error-body.ts'

/** The errors of Lambda's Invoke API that we answer with, and their status. */
const STATUS = {
  InvalidParameterValueException: 400,
  InvalidRequestContentException: 400,
  UnrecognizedClientException: 403,
  AccessDeniedException: 403,
  ResourceNotFoundException: 404,
  RequestTooLargeException: 413,
  UnsupportedMediaTypeException: 415,
  TooManyRequestsException: 429,
  ServiceException: 500,
} as const

export type LambdaErrorType = keyof typeof STATUS

export class LambdaError extends Error {
  readonly type: LambdaErrorType

  constructor(type: LambdaErrorType, message: string) {
    super(message)
    this.name = 'LambdaError'
    this.type = type
  }
}

/** What an error of ours is called there; anything else is theirs to try again. */
const TYPE_OF: Partial<Record<ErrorCode, LambdaErrorType>> = {
  TPT_UNAUTHORIZED: 'UnrecognizedClientException',
  TPT_FUNCTION_NOT_FOUND: 'ResourceNotFoundException',
  TPT_EVENT_INVALID: 'InvalidRequestContentException',
  TPT_BODY_INVALID: 'InvalidRequestContentException',
  TPT_EVENT_TOO_LARGE: 'RequestTooLargeException',
  TPT_CONTENT_TYPE: 'UnsupportedMediaTypeException',
}

export interface LambdaReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: object
}

/** As SDKs read it: the type in a header, whose fault and what happened in the body. */
export function toLambdaReply(error: unknown): LambdaReply {
  const known = error instanceof LambdaError ? error : toLambdaError(asTappetError(error))
  const status = STATUS[known.type]
  const retry: Record<string, string> =
    known.type === 'TooManyRequestsException' ? { 'retry-after': '1' } : {}
  return {
    status,
    headers: { 'x-amzn-errortype': known.type, ...retry },
    body: { Type: status >= 500 ? 'Server' : 'User', Message: known.message, message: known.message },
  }
}

function toLambdaError(error: TappetError): LambdaError {
  if (error.status === 403) return new LambdaError('AccessDeniedException', error.message)
  if (error.status === 429) return new LambdaError('TooManyRequestsException', error.message)
  return new LambdaError(TYPE_OF[error.code] ?? 'ServiceException', `${error.code}: ${error.message}`)
}
