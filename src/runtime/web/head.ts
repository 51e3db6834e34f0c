import { validateHeaderName, validateHeaderValue } from 'node:http'
import { decodeJson, type Frame } from '../frames.ts'
import type { HeaderList } from '../runtime.ts'

export interface ResponseHead {
  readonly status: number
  readonly headers: HeaderList
}

/** The head of a response; null when it is none. Not to be trusted: user code has been running where it comes from. */
export function readHead({ header, payload }: Frame): ResponseHead | null {
  const { status } = header
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599) return null
  const headers = decodeJson(payload)
  return Array.isArray(headers) && headers.every(isHeader) ? { status, headers: headers as HeaderList } : null
}

function isHeader(pair: unknown): boolean {
  if (!Array.isArray(pair) || pair.length !== 2) return false
  const [name, value] = pair as [unknown, unknown]
  try {
    validateHeaderName(name as string)
    validateHeaderValue(name as string, value as string)
    return typeof name === 'string' && typeof value === 'string'
  } catch {
    return false
  }
}
