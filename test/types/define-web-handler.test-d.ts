/** Compiled, never run: `tsc` is the test. Each positive stands beside a negative. */
import { cron, defineFunction, defineWebHandler, http, type WebContext, type WebHandler } from 'tappet'
import { Hono } from 'hono'
import * as z from 'zod'
import { same } from './assert.ts'

// without routes and variables: the least
defineWebHandler({}, (request, env, ctx) => {
  same<typeof request, Request>(true)
  same<typeof ctx.params, Readonly<Record<string, string>>>(true)
  // @ts-expect-error no variable was asked for
  void env.KEY
  ctx.waitUntil(Promise.resolve(1))
  // @ts-expect-error a promise, not a function
  ctx.waitUntil(() => undefined)
  return new Response()
})

// routes give the names of parameters, one or several
defineWebHandler({ on: http.any('/shops/:shop/orders/:id') }, (_request, _env, { params }) => {
  same<typeof params, { readonly shop: string; readonly id: string }>(true)
  // @ts-expect-error no such parameter
  void params.nope
  return new Response()
})
defineWebHandler({ on: [http.get('/a/:id'), http.post('/b/:id')] }, async (_request, _env, { params }) => {
  same<typeof params.id, string>(true)
  return Response.json({})
})

// variables, by name and by schema
defineWebHandler({ env: ['KEY'] }, (_request, env) => {
  same<typeof env, Readonly<Record<'KEY', string | undefined>>>(true)
  return new Response()
})
defineWebHandler({ env: z.object({ PORT: z.coerce.number() }) }, (_request, env, ctx) => {
  same<typeof env, { PORT: number }>(true)
  same<typeof ctx.env, { PORT: number }>(true)
  return new Response()
})

// @ts-expect-error a response, not its text
defineWebHandler({}, () => 'text')
// @ts-expect-error other triggers make events
defineWebHandler({ on: cron('* * * * *') }, () => new Response())
// @ts-expect-error nothing is tried again
defineWebHandler({ retry: false }, () => new Response())

// what else a file may export
const plain = { fetch: (_request: Request, _env: unknown, _ctx: WebContext) => new Response() }
plain satisfies WebHandler
const app = new Hono()
app.get('/', (c) => c.text('hello'))
void app.fetch

// and `http.any` is for events, too
defineFunction({ on: http.any('/hook/:id') }, (event) => {
  same<typeof event.request.method, 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'>(true)
  same<typeof event.request.params, { readonly id: string }>(true)
})
