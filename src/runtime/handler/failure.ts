import { type Failure, toFailure } from '../../errors.ts'

/** A thrown value as data, even one whose properties throw when they are read. */
export function failureOf(thrown: unknown): Failure {
  try {
    return toFailure(thrown)
  } catch {
    return toFailure('a value was thrown that cannot be read')
  }
}

/** A failure as something to throw, with the name and code it had. */
export function toError({ name, message, code, retryable }: Failure): Error {
  return Object.assign(new Error(message), { name, retryable, ...(code !== null && { code }) })
}
