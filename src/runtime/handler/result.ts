import { TappetError } from '../../errors.ts'
import { encodeResponse } from '../../events/response.ts'

/** Largest result that is kept, as JSON. Larger things belong into a table or a file. */
export const DEFAULT_MAX_RESULT_BYTES = 1_048_576

/**
 * What a handler returned, as JSON. `undefined` becomes null, a web `Response` its encoded form.
 *
 * @throws TappetError TPT_RESULT_INVALID for what JSON cannot hold, or more than `maxBytes` of it.
 */
export async function encodeResult(result: unknown, maxBytes: number): Promise<Buffer> {
  const value = isResponse(result) ? await encodeResponse(result) : result
  const json = toJson(value ?? null)
  const bytes = Buffer.from(json)
  if (bytes.length > maxBytes) throw invalid(`must be at most ${maxBytes} bytes of JSON, got ${bytes.length}`)
  return bytes
}

function toJson(value: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch (error) {
    throw invalid(`must be JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (json === undefined) throw invalid(`must be JSON, got a ${typeof value}`)
  return json
}

function invalid(message: string): TappetError {
  return new TappetError('TPT_RESULT_INVALID', `the result ${message}`)
}

/** By its shape: a `Response` of another copy of undici is one too. */
export function isResponse(value: unknown): value is Response {
  return Object.prototype.toString.call(value) === '[object Response]' && typeof value === 'object'
}
