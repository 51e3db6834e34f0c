import { CODES, type ErrorCode, TappetError } from '../errors.ts'
import type { Issue } from '../lib/schema.ts'

/** What the process ends with. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  config: 3,
  unreachable: 4,
  notFound: 5,
  auth: 6,
  conflict: 7,
  /** The command did its work; the run that it waited for failed. */
  runFailed: 8,
  waitTimeout: 9,
  /** Some of several succeeded. */
  partial: 10,
  interrupted: 130,
  terminated: 143,
} as const

const EXIT_OF: Partial<Record<ErrorCode, number>> = {
  TPT_USAGE: EXIT.usage,
  TPT_FILTER_INVALID: EXIT.usage,
  TPT_REQUEST_INVALID: EXIT.usage,
  TPT_CONFIG_INVALID: EXIT.config,
  TPT_FOLDER_READONLY: EXIT.config,
  TPT_DURABILITY: EXIT.config,
  TPT_MIGRATION_FAILED: EXIT.config,
  TPT_FUNCTION_INVALID: EXIT.config,
  TPT_FUNCTION_LOAD: EXIT.config,
  TPT_EVENT_INVALID: EXIT.config,
  TPT_UNAVAILABLE: EXIT.unreachable,
  TPT_SHUTDOWN: EXIT.unreachable,
  TPT_POSTGRES_EMBEDDED: EXIT.unreachable,
  TPT_NOT_FOUND: EXIT.notFound,
  TPT_FUNCTION_NOT_FOUND: EXIT.notFound,
  TPT_ROUTE_NOT_FOUND: EXIT.notFound,
  TPT_UNAUTHORIZED: EXIT.auth,
  TPT_FORBIDDEN: EXIT.auth,
  TPT_RATE_LIMITED: EXIT.auth,
  TPT_CONFLICT: EXIT.conflict,
  TPT_ALREADY_RUNNING: EXIT.conflict,
  TPT_PORT_TAKEN: EXIT.conflict,
}

export interface CliErrorOptions extends ErrorOptions {
  readonly exitCode?: number
  /** Instead of the code's own. */
  readonly hint?: string
  readonly issues?: readonly Issue[]
}

/** What a command says when it cannot do what it was asked to: a code of ours, and a hint that fits the moment. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly code: ErrorCode
  readonly hint: string
  readonly exitCode: number
  readonly issues: readonly Issue[]

  constructor(code: ErrorCode, message: string, options: CliErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.hint = options.hint ?? CODES[code].hint
    this.exitCode = options.exitCode ?? EXIT_OF[code] ?? EXIT.failed
    this.issues = options.issues ?? []
  }
}

export function usageError(message: string, hint?: string): CliError {
  return new CliError('TPT_USAGE', message, hint === undefined ? {} : { hint })
}

export function toCliError(error: unknown): CliError {
  if (error instanceof CliError) return error
  if (error instanceof TappetError)
    return new CliError(error.code, error.message, { issues: error.issues, cause: error })
  return new CliError('TPT_INTERNAL', error instanceof Error ? error.message : String(error), {
    cause: error,
  })
}
