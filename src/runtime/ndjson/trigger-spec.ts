import * as z from 'zod'
import type { Duration } from '../../lib/duration.ts'
import { cron } from '../../triggers/cron/declare.ts'
import { http } from '../../triggers/http/declare.ts'
import { signature, type Verification } from '../../triggers/http/signatures.ts'
import { postgres } from '../../triggers/postgres/declare.ts'
import { queue } from '../../triggers/queue/declare.ts'
import type { Trigger } from '../../triggers/trigger.ts'
import { upload } from '../../triggers/upload/declare.ts'
import { object } from './shape.ts'

const text = (what: string) => z.string(what).min(1, what)
const texts = (what: string) => z.array(text(what), what)
const duration = z.custom<Duration>(
  (value) => typeof value === 'string' && /^\d{1,12}(\.\d{1,6})?(ms|s|m|h|d)$/.test(value),
  "like '30s'",
)
const maxBytes = z.int('a whole number of bytes from 1 on').min(1, 'a whole number of bytes from 1 on')

const verify = object({
  scheme: z.enum(
    ['standard', 'github', 'stripe', 'slack', 'shopify', 'hmac', 'key'],
    "'standard', 'github', 'stripe', 'slack', 'shopify', 'hmac' or 'key'",
  ),
  secret: text('the name of an environment variable'),
  header: text('the name of a header').optional(),
  algorithm: z.enum(['sha256', 'sha512'], "'sha256' or 'sha512'").optional(),
  encoding: z.enum(['hex', 'base64'], "'hex' or 'base64'").optional(),
  prefix: z.string('a text').optional(),
}).refine(({ scheme, header }) => scheme !== 'hmac' || header !== undefined, {
  message: "the name of a header, with scheme 'hmac'",
  path: ['header'],
})

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
const operations = ['insert', 'update', 'delete', 'change', 'truncate'] as const

/** A trigger as JSON: the names and values of the options of `http.post(…)` and its like, and `kind`. */
export const triggerSpec = z.discriminatedUnion(
  'kind',
  [
    object({
      kind: z.literal('http'),
      method: z.enum(methods, methods.join(', ')),
      path: text("a path, such as '/orders/:id'"),
      wait: duration.optional(),
      maxBytes: maxBytes.optional(),
      headers: texts('a list of names of headers').optional(),
      verify: verify.optional(),
    }),
    object({
      kind: z.literal('cron'),
      expression: text("a cron expression, such as '0 3 * * *'"),
      timezone: text("an IANA name, such as 'Europe/Berlin'").optional(),
      catchUp: z.enum(['skip', 'latest', 'all'], "'skip', 'latest' or 'all'").optional(),
      catchUpWindow: duration.optional(),
      overlap: z.enum(['allow', 'skip', 'queue'], "'allow', 'skip' or 'queue'").optional(),
      jitter: duration.optional(),
    }),
    object({
      kind: z.literal('postgres'),
      table: text("a table, such as 'orders'"),
      operation: z.enum(operations, operations.join(', ')),
      of: texts('a list of columns').optional(),
      when: text('a condition in SQL').optional(),
      exclude: texts('a list of columns').optional(),
      database: text('the name of an environment variable').optional(),
    }),
    object({ kind: z.literal('queue'), queue: text('the name of a queue') }),
    object({
      kind: z.literal('upload'),
      pattern: text("a pattern, such as 'avatars/**'"),
      accept: texts('a list of content types').optional(),
      maxBytes: maxBytes.optional(),
    }),
  ],
  {
    error: (issue) =>
      issue.code === 'invalid_union'
        ? "'http', 'cron', 'postgres', 'queue' or 'upload'"
        : 'a trigger, such as {"kind":"queue","queue":"mail"}',
  },
)

export type TriggerSpec = z.infer<typeof triggerSpec>
type Spec<Kind extends TriggerSpec['kind']> = Extract<TriggerSpec, { readonly kind: Kind }>

/** What the declaration in TypeScript would be. */
export function toTrigger(spec: TriggerSpec): Trigger {
  switch (spec.kind) {
    case 'http':
      return toHttp(spec)
    case 'cron': {
      const { kind: _, expression, ...options } = spec
      return cron(expression, given(options))
    }
    case 'postgres':
      return toPostgres(spec)
    case 'queue':
      return queue(spec.queue)
    default: {
      const { kind: _, pattern, ...options } = spec
      return upload(pattern, given(options))
    }
  }
}

function toHttp({ method, path, kind: _, verify: how, ...options }: Spec<'http'>): Trigger {
  const route = http[method.toLowerCase() as Lowercase<typeof method>]
  return route(path, { ...given(options), ...(how && { verify: toVerification(how) }) })
}

function toVerification({ scheme, secret, ...options }: z.infer<typeof verify>): Verification {
  if (scheme === 'key') return signature.apiKey(secret, given({ header: options.header }))
  if (scheme !== 'hmac') return signature[scheme](secret)
  return signature.hmac(secret, { ...given(options), header: options.header ?? '' })
}

function toPostgres({ table: name, operation, of, when, exclude, database }: Spec<'postgres'>): Trigger {
  const table = postgres.table<never>(name, given({ exclude, database }))
  const how = given({ of: of as never[] | undefined, when })
  switch (operation) {
    case 'insert':
      return table.onInsert(how)
    case 'update':
      return table.onUpdate(how)
    case 'delete':
      return table.onDelete(how)
    case 'change':
      return table.onChange(how)
    default:
      return table.onTruncate()
  }
}

type Given<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

/** Without what is undefined: an absent option has no key. */
function given<T extends object>(options: T): Given<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given<T>
}
