import * as z from 'zod'

import { TappetError } from '../errors.ts'
import { type Duration, toMs } from '../lib/duration.ts'
import { type Filter, parseFilter } from '../filter/filter.ts'
import type { Subject } from '../filter/fields.ts'
import { parseJson } from '../lib/json.ts'
import type { Issue } from '../lib/schema.ts'
import { readBody } from './body.ts'
import type { HttpRequest } from './server.ts'

const MAX_BODY = 1_048_576

/** @throws TappetError TPT_EVENT_INVALID with an issue for each parameter that is not as it must be. */
export function readQuery<T>(request: HttpRequest, schema: z.ZodType<T>): T {
  return check(request.query, schema, 'the query')
}

/** A JSON body of at most 1 MiB; none counts as `{}`. */
export async function readJson<T>(request: HttpRequest, schema: z.ZodType<T>): Promise<T> {
  const body = await readBody(request, MAX_BODY)
  return check(body.length === 0 ? {} : parseJson(body), schema, 'the body')
}

/** What Postgres cannot hold cannot be found in it either. */
const WITHOUT_NUL = /^[^\u0000]*$/

/** The name of a function to look for, which need not be there. */
export const functionName = z.string().min(1).max(200).regex(WITHOUT_NUL, 'must be without NUL')

/** Where a page of runs ends: the id of its last run. */
export const runCursor = z
  .string()
  .startsWith('run_', 'must be the id of a run')
  .max(100)
  .regex(WITHOUT_NUL, 'must be without NUL')

/** Where a page ends: the id of its last entry. */
export const cursor = z
  .string()
  .max(100)
  .regex(/^\w+$/, 'must be the `next` of the page before')
  .describe('The `next` of the page before.')

/** What people type to select: read by `filterOf`. */
export const filterText = z.string().default('').describe('A filter, such as `status:failed since:24h`.')

/** @throws TappetError TPT_FILTER_INVALID */
export function filterOf(text: string, subject: Subject): Filter {
  return parseFilter(text, subject)
}

/** How far back, as a duration in a query; in ms. */
export function sinceMs(usual: Duration): z.ZodType<number, string | undefined> {
  return durationUpTo('400d')
    .pipe(z.number().min(1_000, 'must be at least 1s'))
    .default(toMs(usual))
    .meta({ type: 'string', description: `How far back, such as 24h. Default ${usual}.` })
}

/** A number in a query: `?limit=20`. */
export function limit(most: number, usual: number): z.ZodType<number, string | undefined> {
  const message = `must be a number from 1 to ${most}`
  return z
    .string()
    .regex(/^\d{1,6}$/, message)
    .transform(Number)
    .refine((value) => value >= 1 && value <= most, message)
    .default(usual)
    .meta({ type: 'integer', minimum: 1, maximum: most, description: `Default ${usual}.` })
}

/** A duration in a body, in ms. */
export function durationUpTo(longest: Duration): z.ZodType<number, string> {
  return z.string().transform((text, ctx) => {
    try {
      const ms = toMs(text as Duration)
      if (ms <= toMs(longest)) return ms
      ctx.addIssue({ code: 'custom', message: `must be at most '${longest}', got ${JSON.stringify(text)}` })
    } catch (error) {
      ctx.addIssue({ code: 'custom', message: (error as Error).message })
    }
    return z.NEVER
  })
}

function check<T>(value: unknown, schema: z.ZodType<T>, where: string): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.map(toIssue)
  const what = issues
    .map(({ path, message }) => `${path === '' ? where : `\`${path.slice(1)}\``} ${message}`)
    .join('; ')
  throw new TappetError('TPT_EVENT_INVALID', what, { issues })
}

function toIssue(issue: z.core.$ZodIssue): Issue {
  const path = issue.path.map((part) => `/${String(part)}`).join('')
  if (issue.code !== 'unrecognized_keys') return { path, message: lowerFirst(issue.message) }
  return { path: `/${issue.keys[0] ?? ''}`, message: 'is not known here' }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
