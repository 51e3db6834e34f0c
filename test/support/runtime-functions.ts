import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { z } from 'zod'
import {
  defineFunction,
  FatalError,
  http,
  postgres,
  queue,
  RetryAfterError,
  type Schema,
} from '../../src/index.ts'

/** The functions that every runtime must run alike. */

export const echo = defineFunction({ on: queue('echo') }, (event) => event.data)

export const nothing = defineFunction({ on: queue('nothing') }, () => undefined)

export const context = defineFunction({ on: queue('context') }, (event, ctx) => ({
  event,
  functionId: ctx.functionId,
  runId: ctx.runId,
  attempt: ctx.attempt,
  maxAttempts: ctx.maxAttempts,
}))

export const response = defineFunction({ on: http.get('/response') }, () =>
  Response.json({ made: true }, { status: 201, headers: { 'x-shop': 'tappet' } }),
)

const THROWN: Readonly<Record<string, () => unknown>> = {
  error: () => new RangeError('out of range'),
  coded: () => Object.assign(new Error('no route'), { code: 'EHOSTUNREACH' }),
  string: () => 'just text',
  null: () => null,
  undefined: () => undefined,
  object: () => ({ reason: 7 }),
  frozen: () => Object.freeze(new Error('frozen')),
  unreadable: () => ({
    get message() {
      throw new Error('a trap')
    },
  }),
  fatal: () => new FatalError('never again'),
  retryAfter: () => new RetryAfterError('busy', '90s'),
}

export const throws = defineFunction({ on: queue('throws', { data: z.string() }) }, async (event) => {
  await Promise.resolve()
  throw THROWN[event.data]?.()
})

const Order = z.object({
  id: z.string().min(2),
  total: z.coerce.number(),
  currency: z.string().default('EUR'),
  placed: z.iso.datetime().transform((text) => new Date(text)),
})

export const order = defineFunction(
  {
    on: [
      http.post('/orders', { body: Order, query: z.object({ page: z.coerce.number() }) }),
      queue('orders', { data: Order }),
      queue('anything'),
    ],
    idempotencyKey: (event) => `order ${String((event.data as { id: unknown }).id)}`,
  },
  (event) => {
    const data = event.data as z.infer<typeof Order>
    return {
      data,
      isDate: data.placed instanceof Date,
      page: event.type === 'http.request' ? event.request.query.page : null,
    }
  },
)

export const emptied = defineFunction(
  {
    on: postgres.table('orders', { row: z.object({ id: z.number() }) }).onTruncate(),
    idempotencyKey: () => 'emptied',
  },
  () => null,
)

export const row = defineFunction(
  { on: postgres.table('orders', { row: z.object({ id: z.coerce.number() }) }).onChange() },
  ({ data, change: { before, after } }) => ({ data, before, after }),
)

const slow = z.string().refine(async (text) => Promise.resolve(text !== 'bad'), 'is bad')

export const refined = defineFunction({ on: queue('refined', { data: slow }) }, (event) => event.data)

const broken: Schema = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate() {
      throw new Error('the schema is broken')
    },
  },
}

export const unchecked = defineFunction({ on: queue('unchecked', { data: broken }) }, () => null)

const KEYS: Readonly<Record<string, () => unknown>> = {
  number: () => 7,
  promise: () => Promise.resolve('late'),
  empty: () => '',
  long: () => 'x'.repeat(1_025),
  longest: () => 'x'.repeat(1_024),
  nul: () => 'a\u0000b',
  throws: () => {
    throw new Error('no key today')
  },
}

export const keyed = defineFunction(
  {
    on: queue('keyed', { data: z.string() }),
    idempotencyKey: (event) => KEYS[event.data]?.() as string,
  },
  () => null,
)

export const ordered = defineFunction(
  {
    on: queue('ordered', { data: z.string() }),
    orderingKey: (event) => (KEYS[event.data]?.() ?? `order ${event.data}`) as string,
  },
  (event) => event.data,
)

export const unkeyed = defineFunction({ on: queue('unkeyed') }, () => null)

export const logs = defineFunction({ on: queue('logs') }, (_event, { log }) => {
  log.debug('first')
  log.info({ orderId: 7, nested: { ok: true } }, 'second')
  log.warn({ err: new TypeError('wrong') }, 'third')
  log.error({ big: 10n }, 'fourth')
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  log.info(cycle, 'fifth')
})

export const chatty = defineFunction({ on: queue('chatty') }, (_event, { log }) => {
  for (let i = 0; i < 100_000; i++) log.info(`${i} ${'x'.repeat(92)}`)
  return 'done'
})

const emails = queue('emails', { data: z.object({ to: z.string() }) })

export const sender = defineFunction({ on: queue('sender') }, async (event, ctx) => {
  await ctx.send(emails, { to: 'a@b.co' }, { delay: '5s', key: 'k1' })
  await ctx.send(emails, event.data as { to: string })
})

export const badSender = defineFunction({ on: queue('badSender') }, async (event, ctx) => {
  if (event.data === 'delay') await ctx.send(emails, { to: 'a' }, { delay: 'soon' as '1s' })
  if (event.data === 'queue') await ctx.send('emails' as never, { to: 'a' } as never)
  if (event.data === 'bigint') await ctx.send(queue('any'), 1n)
  if (event.data === 'large') await ctx.send(queue('any'), 'x'.repeat(20_000_000))
  if (event.data === 'full') await ctx.send(queue('full'), {})
})

export const reader = defineFunction({ on: queue('reader') }, async (event, ctx) => {
  const file = await ctx.files.open(String(event.data))
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of file.stream() as AsyncIterable<Buffer>) {
    bytes += chunk.length
    hash.update(chunk)
  }
  const whole = (await file.bytes()).length
  return {
    bytes,
    whole,
    text: (await file.text()).length,
    sha256: hash.digest('hex'),
    key: file.key,
    said: file.size,
  }
})

/** Waits for its signal, and does what `data` says then. */
export const waits = defineFunction({ on: queue('waits') }, async (event, { signal, log }) => {
  log.info('waiting')
  if (!signal.aborted) await once(signal, 'abort')
  const { name, message, code } = signal.reason as Error & { code?: string }
  log.info({ name, message, code }, 'aborted')
  if (event.data === 'throw') throw signal.reason
  if (event.data === 'ignore') await new Promise(() => undefined)
  return 'returned all the same'
})

export const results = defineFunction({ on: queue('results', { data: z.string() }) }, (event): unknown => {
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  const found: Readonly<Record<string, unknown>> = {
    bigint: { n: 1n },
    cycle,
    function: () => null,
    symbol: Symbol('s'),
    toJson: new Date(0),
    nan: Number.NaN,
    'at the limit': 'x'.repeat(1_048_576 - 2),
    'over the limit': 'x'.repeat(1_048_576 - 1),
    '2 MiB': Buffer.alloc(2_097_152, 'x').toString(),
    '20 MB': Buffer.alloc(20_000_000, 'x').toString(),
  }
  return found[event.data]
})
