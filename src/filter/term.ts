import { TappetError } from '../errors.ts'

export type Operator = ':' | '~' | '>' | '>=' | '<' | '<='

/** One condition. */
export interface Term {
  /** Without its path: `data` for `data.tenant`. */
  readonly field: string
  /** Keys within the payload's `data`, for `data` only; else empty. */
  readonly path: readonly string[]
  readonly operator: Operator
  /** One of them must fit. */
  readonly values: readonly string[]
  readonly negated: boolean
}

/** The only error of this module. `at` counts from 0, people count from 1. */
export function wrong(at: number, expected: string, got: string, meant: string | null = null): TappetError {
  const suggestion = meant === null ? '' : `; did you mean ${meant}?`
  const message = `the filter, at character ${at + 1}: expected ${expected}, got ${got}${suggestion}`
  return new TappetError('TPT_FILTER_INVALID', message)
}
