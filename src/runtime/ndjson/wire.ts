import * as z from 'zod'
import { type Failure, TappetError, toFailure } from '../../errors.ts'
import { DEFAULT_MAX_RESULT_BYTES } from '../handler/result.ts'
import type { Ending } from '../ending.ts'
import { encodeJson } from '../frames.ts'

/** What a function in another language says: one JSON object a line. `docs/languages.md` describes it. */
const said = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('pong'), id: z.number() }),
  z.object({ type: z.literal('result'), id: z.number().optional(), result: z.unknown() }),
  z.object({
    type: z.literal('error'),
    id: z.number().optional(),
    error: z.object({
      name: z.string().default('Error'),
      message: z.string(),
      stack: z.string().nullish(),
      code: z.string().nullish(),
      retryable: z.boolean().default(true),
      retryAfterMs: z.number().min(0).nullish(),
    }),
  }),
  z.object({
    type: z.literal('log'),
    id: z.number().optional(),
    level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
    message: z.string(),
    fields: z.record(z.string(), z.unknown()).nullish(),
  }),
  z.object({
    type: z.literal('send'),
    id: z.number().optional(),
    /** Joins it and its reply; none is given without. */
    call: z.union([z.number(), z.string()]).optional(),
    queue: z.string().min(1),
    data: z.unknown(),
    key: z.string().nullish(),
    delayMs: z.number().min(0).nullish(),
  }),
])

export type Said = z.infer<typeof said>
export type SaidError = Extract<Said, { readonly type: 'error' }>['error']

/** What is on a line: a message, or why it is none. */
export function readLine(line: string): Said | { readonly type: 'unreadable'; readonly why: string | null } {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return { type: 'unreadable', why: null }
  }
  if (typeof value !== 'object' || value === null) return { type: 'unreadable', why: null }
  const read = said.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  return { type: 'unreadable', why: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not understood'}` }
}

export function toEnding(result: unknown, maxBytes = DEFAULT_MAX_RESULT_BYTES): Ending {
  const payload = encodeJson(result ?? null)
  if (payload.length <= maxBytes) return { kind: 'answered', ok: true, payload }
  const message = `the result must be at most ${maxBytes} bytes of JSON, got ${payload.length}`
  return failed(toFailure(new TappetError('TPT_RESULT_INVALID', message)))
}

export function failed(failure: Failure): Ending {
  return { kind: 'answered', ok: false, payload: encodeJson(failure) }
}

/** Through the rules for thrown values, so that it is clipped as they are. */
export function readError({ name, message, stack, code, retryable, retryAfterMs }: SaidError): Failure {
  const failure = toFailure({ name, message, stack, code, retryable })
  return { ...failure, retryAfterMs: retryAfterMs ?? null }
}
