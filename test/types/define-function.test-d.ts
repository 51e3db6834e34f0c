/** Compiled, never run: `tsc` is the test. Each positive stands beside a negative. */
import { cron, defineFunction, type EventOf, http, postgres, queue, signature, upload } from 'tappet'
import * as v from 'valibot'
import * as z from 'zod'
import { same } from './assert.ts'

const Order = z.object({
  id: z.uuid(),
  total: z.number(),
  placedAt: z.iso.datetime().transform((text) => new Date(text)),
})
type Order = z.output<typeof Order>

// one trigger: the handler sees exactly its event
defineFunction({ on: http.post('/orders/:id/refund', { body: Order }) }, (event, ctx) => {
  same<typeof event.type, 'http.request'>(true)
  same<typeof event.data, Order>(true)
  same<typeof event.request.params, { readonly id: string }>(true)
  same<typeof ctx.attempt, number>(true)
  same<typeof ctx.signal, AbortSignal>(true)
  // @ts-expect-error no such parameter
  void event.request.params.nope
})

// no schema: unknown, never any
defineFunction({ on: http.post('/hook') }, (event) => {
  same<typeof event.data, unknown>(true)
  // @ts-expect-error unknown must be looked at first
  void event.data.id
})

// query is typed on its own
defineFunction({ on: http.get('/search', { query: z.object({ page: z.coerce.number() }) }) }, (event) => {
  same<typeof event.request.query, { page: number }>(true)
})

// any Standard Schema library
defineFunction({ on: http.post('/valibot', { body: v.object({ n: v.number() }) }) }, (event) => {
  same<typeof event.data, { n: number }>(true)
})

// options of the HTTP trigger
http.post('/hook', { verify: signature.github('GITHUB_SECRET'), wait: '5s' })
// @ts-expect-error not a duration
http.post('/hook', { wait: '5 seconds' })
// @ts-expect-error the name of a variable, not a verification
http.post('/hook', { verify: 'GITHUB_SECRET' })

// postgres: the operation decides before and after
defineFunction({ on: postgres.table('orders', { row: Order }).onInsert() }, (event) => {
  same<typeof event.type, 'postgres.insert'>(true)
  same<typeof event.change.before, null>(true)
  same<typeof event.change.after, Order>(true)
})
defineFunction({ on: postgres.table('orders', { row: Order }).onUpdate({ of: ['total'] }) }, (event) => {
  same<typeof event.change.before, Order>(true)
})
// @ts-expect-error not a column of the row
postgres.table('orders', { row: Order }).onUpdate({ of: ['totl'] })
defineFunction({ on: postgres.table('orders', { row: Order }).onChange() }, (event) => {
  same<typeof event.data, Order>(true)
  if (event.type === 'postgres.delete') same<typeof event.change.after, null>(true)
  else same<typeof event.change.after, Order>(true)
})
defineFunction({ on: postgres.table('orders').onTruncate() }, (event) => {
  same<typeof event.type, 'postgres.truncate'>(true)
  same<typeof event.data, null>(true)
  // @ts-expect-error a truncated table has no row
  void event.change.key
})
defineFunction({ on: postgres.table('orders').onDelete({ when: 'old.total > 100' }) }, (event) => {
  same<typeof event.data, Readonly<Record<string, unknown>>>(true)
})

// cron and upload own their data
defineFunction({ on: cron('0 3 * * *', { timezone: 'Europe/Berlin', catchUp: 'all' }) }, (event) => {
  same<typeof event.data.scheduledAt, string>(true)
  // @ts-expect-error a tick has no total
  void event.data.total
})
// @ts-expect-error not a way to catch up
cron('0 3 * * *', { catchUp: 'some' })
defineFunction({ on: upload('avatars/:userId/**', { accept: ['image/*'], maxBytes: 5 }) }, (event) => {
  same<typeof event.data.params, { readonly userId: string }>(true)
})

// several triggers, one schema: data needs no narrowing
defineFunction({ on: [http.post('/orders', { body: Order }), queue('orders', { data: Order })] }, (event) => {
  same<typeof event.type, 'http.request' | 'queue.message'>(true)
  same<typeof event.data, Order>(true)
})

// several triggers, several shapes: `type` narrows
defineFunction(
  {
    on: [
      http.post('/orders', { body: Order }),
      postgres.table('orders', { row: Order }).onInsert(),
      cron('*/5 * * * *'),
      upload('avatars/**'),
      queue('emails', { data: z.object({ to: z.email() }) }),
    ],
    idempotencyKey: (event) => `${event.source}:${event.id}`,
    orderingKey: (event) => event.source,
  },
  (event) => {
    switch (event.type) {
      case 'http.request':
        return same<typeof event.data, Order>(true)
      case 'postgres.insert':
        return same<typeof event.change.after, Order>(true)
      case 'cron.tick':
        return same<typeof event.data.previousAt, string | null>(true)
      case 'upload.created':
        return same<typeof event.data.size, number>(true)
      case 'queue.message':
        return same<typeof event.data, { to: string }>(true)
    }
    event satisfies never
  },
)

// keys are text, computed on what the trigger carries
defineFunction({ on: queue('orders', { data: Order }), orderingKey: ({ data }) => data.id }, () => null)
// @ts-expect-error a number is no key
defineFunction({ on: queue('orders', { data: Order }), orderingKey: ({ data }) => data.total }, () => null)
// @ts-expect-error there is no such field
defineFunction({ on: queue('orders', { data: Order }), orderingKey: ({ data }) => data.customer }, () => null)

// sending: the schema's input, not its output
const orders = queue('orders', { data: Order })
defineFunction({ on: cron('* * * * *') }, async (_event, ctx) => {
  await ctx.send(orders, { id: 'x', total: 1, placedAt: '2026-01-01' }, { delay: '10s', key: 'k' })
  // @ts-expect-error the wire carries text, not a Date
  await ctx.send(orders, { id: 'x', total: 1, placedAt: new Date() })
  // @ts-expect-error total is missing
  await ctx.send(orders, { id: 'x', placedAt: '2026-01-01' })
  // @ts-expect-error not a duration
  await ctx.send(orders, { id: 'x', total: 1, placedAt: '2026-01-01' }, { delay: '10 seconds' })
})
same<EventOf<typeof orders>['data'], Order>(true)

// the context: rows of a query are typed by the caller, the log takes fields or a text
defineFunction({ on: orders }, async (_event, { db, log, files }) => {
  const { rows } = await db.query<{ n: number }>('select 1 as n')
  same<(typeof rows)[number], { n: number }>(true)
  log.info('text')
  log.info({ a: 1 }, 'text')
  // @ts-expect-error fields alone say nothing
  log.info({ a: 1 })
  same<Awaited<ReturnType<typeof files.open>>['size'], number>(true)
})

// the definition can be looked at and called
const fn = defineFunction({ on: orders }, (event) => event.data.total)
same<ReturnType<typeof fn.handler>, number | Promise<number>>(true)

// @ts-expect-error unknown option
defineFunction({ on: orders, retries: 3 }, () => {})
// @ts-expect-error `on` is required
defineFunction({}, () => {})
// @ts-expect-error unknown key of the retry policy
defineFunction({ on: orders, retry: { tries: 3 } }, () => {})
// @ts-expect-error not a duration
defineFunction({ on: orders, timeout: '10 minutes' }, () => {})
defineFunction({ on: orders, retry: false, timeout: '10m', concurrency: 1, env: ['SMTP_URL'] }, () => {})

// variables: text by name, or what a schema makes of them
defineFunction({ on: orders, env: ['SMTP_URL'], secrets: ['SMTP_URL'] }, (_event, { env }) => {
  same<typeof env, Readonly<Record<'SMTP_URL', string | undefined>>>(true)
  // @ts-expect-error not in the list
  void env.MAIL_FROM
})
defineFunction(
  { on: orders, env: z.object({ PORT: z.coerce.number(), HOST: z.string().default('a') }) },
  (_event, { env }) => same<typeof env, { PORT: number; HOST: string }>(true),
)
defineFunction({ on: orders, env: v.object({ A: v.string() }) }, (_event, { env }) =>
  same<typeof env, { A: string }>(true),
)
defineFunction({ on: orders }, (_event, { env }) => {
  // @ts-expect-error none was asked for
  void env.SMTP_URL
})
// @ts-expect-error names or a schema
defineFunction({ on: orders, env: { SMTP_URL: true } }, () => null)
// @ts-expect-error names
defineFunction({ on: orders, secrets: 'SMTP_URL' }, () => null)

// processes: how many, how full, how large
defineFunction(
  { on: queue('q'), instanceConcurrency: 1, maxInstances: 4, provisioned: 1, memory: 256 },
  () => null,
)
// @ts-expect-error a number of MB
defineFunction({ on: queue('q'), memory: '256mb' }, () => null)
// @ts-expect-error a number
defineFunction({ on: queue('q'), provisioned: true }, () => null)
