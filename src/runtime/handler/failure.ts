import { type Failure, toFailure } from '../../errors.ts'

/** A thrown value as data, even one whose properties throw when they are read. */
export function failureOf(thrown: unknown): Failure {
  try {
    const failure = toFailure(thrown)
    return isOutOfMemory(failure) ? { ...failure, code: 'TPT_OUT_OF_MEMORY' } : failure
  } catch {
    return toFailure('a value was thrown that cannot be read')
  }
}

function isOutOfMemory({ name, message, code }: Failure): boolean {
  return code === null ? OUT_OF_MEMORY.test(`${name}: ${message}`) : CODES.includes(code)
}

/** For a string, for the heap of a worker, for another process. */
const CODES: readonly string[] = ['ERR_MEMORY_ALLOCATION_FAILED', 'ERR_WORKER_OUT_OF_MEMORY', 'ENOMEM']

/** What Node throws when there is no more memory for a buffer or for WebAssembly. */
const OUT_OF_MEMORY =
  /^RangeError: .*(allocation failed|could not allocate memory|unable to grow instance memory|out of memory)/i

/** A failure as something to throw, with the name and code it had. */
export function toError({ name, message, code, retryable }: Failure): Error {
  return Object.assign(new Error(message), { name, retryable, ...(code !== null && { code }) })
}
