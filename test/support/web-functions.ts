import { createHash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { defineWebHandler, FatalError, http, signature } from '../../src/index.ts'
import { encodeFrame, FRAME } from '../../src/runtime/frames.ts'

/** Web handlers for the tests of what carries their requests. */

const MB = 1_048_576
const queryOf = (request: Request): URLSearchParams => new URL(request.url).searchParams

export const inspect = defineWebHandler(
  { on: [http.any('/inspect/:id'), http.any('/inspect/:id/*')] },
  async (request, env, ctx) =>
    Response.json({
      ...{ method: request.method, url: request.url, headers: [...request.headers] },
      ...{ params: ctx.params, env, body: await request.text() },
      ...{ attempt: ctx.attempt, maxAttempts: ctx.maxAttempts, traceparent: ctx.traceparent },
    }),
)

export const onlyGet = defineWebHandler({ on: http.get('/only-get') }, () => new Response('here'))

export const echo = defineWebHandler(
  { on: http.any('/echo'), timeout: '60s' },
  (request) => new Response(request.body, { headers: { 'content-type': 'application/x-echo' } }),
)

/** What has been made, and read, in this process. */
let made = 0
let read = 0
let step: { take(): void; readonly taken: Promise<void> } = newStep()

function newStep(): typeof step {
  let take = (): void => undefined
  const taken = new Promise<void>((resolve) => (take = resolve))
  return { take, taken }
}

/** `make`: a megabyte at a time, as it is wanted. `take`: reads one, and waits for the next step. */
export const flow = defineWebHandler(
  { on: http.any('/flow/:how'), timeout: '60s', instanceConcurrency: 10, maxInstances: 1 },
  async (request, _env, { params: { how } }) => {
    if (how === 'make') return new Response(megabytes(Number(queryOf(request).get('mb'))))
    if (how === 'take') return take(request)
    if (how === 'hash') return new Response(await hashOf(request))
    if (how === 'step') {
      step.take()
      step = newStep()
    }
    return Response.json({ made, read, rss: process.memoryUsage.rss() })
  },
)

function megabytes(count: number): ReadableStream<Uint8Array> {
  made = 0
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (made === count * MB) return controller.close()
        controller.enqueue(new Uint8Array(MB).fill(made / MB))
        made += MB
      },
    },
    { highWaterMark: 0 },
  )
}

async function take({ body }: Request): Promise<Response> {
  read = 0
  let next = MB
  for await (const piece of body ?? []) {
    read += (piece as Uint8Array).length
    if (read < next) continue
    next += MB
    await step.taken
  }
  return Response.json({ read })
}

async function hashOf({ body }: Request): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of body ?? []) hash.update(piece as Uint8Array)
  return hash.digest('hex')
}

export const headers = defineWebHandler({ on: http.any('/headers') }, (request) => {
  const length = queryOf(request).get('length')
  const given = new Headers({ 'x-kept': 'ä', 'keep-alive': 'timeout=1', connection: 'x-hop', 'x-hop': '1' })
  given.append('set-cookie', 'a=1; Path=/')
  given.append('set-cookie', 'b=2, three')
  given.append('tappet-run-id', 'forged')
  if (length !== null) given.set('content-length', length)
  return new Response('hello', { headers: given })
})

export const status = defineWebHandler({ on: http.any('/status/:code') }, (request, _env, { params }) => {
  const code = Number(params.code)
  if (code === 302) return Response.redirect(new URL('/there', request.url), 302)
  return new Response([204, 304].includes(code) ? null : 'text', { status: code })
})

class Broken extends Error {
  override readonly name = 'Broken'
}

const ERRORS: Readonly<Record<string, () => unknown>> = {
  throw: () => {
    throw new Broken('a secret at /home/somebody')
  },
  fatal: () => {
    throw new FatalError('no such order')
  },
  text: () => 'just text',
  nothing: () => undefined,
  error: () => Response.error(),
  used: async () => {
    const response = new Response('x')
    await response.text()
    return response
  },
  body: () =>
    new Response(
      new ReadableStream({ start: (to: ReadableStreamDefaultController) => to.enqueue('no bytes') }),
    ),
  late: () =>
    new Response(
      new ReadableStream({
        async pull(to) {
          if (made++ === 0) return to.enqueue(new Uint8Array(100_000))
          throw new Broken('halfway')
        },
        start: () => void (made = 0),
      }),
    ),
  outside: () => {
    setImmediate(() => {
      throw new Broken('outside')
    })
    return wait(10_000)
  },
}

export const errors = defineWebHandler(
  { on: http.any('/errors/:how') },
  (_request, _env, { params: { how } }) => {
    const work = ERRORS[how]
    return work?.() as Response
  },
)

export const crash = defineWebHandler({ on: http.any('/crash') }, () => process.exit(3))

export const slow = defineWebHandler(
  { on: http.any('/slow/:how'), timeout: '500ms', maxInstances: 1 },
  async (request, _env, { params: { how }, log, signal, waitUntil }) => {
    signal.addEventListener('abort', () => log.info(`aborted: ${(signal.reason as Error).message}`))
    if (how === 'response') await wait(60_000, null, { signal: request.signal })
    if (how === 'pid') return new Response(String(process.pid))
    if (how === 'flood') return new Response(megabytes(1_000))
    if (how === 'later') waitUntil(wait(60_000, null, { signal }))
    return new Response(
      how === 'body' ? new ReadableStream({ start: (to) => to.enqueue(new Uint8Array(10)) }) : 'ok',
    )
  },
)

export const later = defineWebHandler(
  { on: http.any('/later/:how'), maxInstances: 1 },
  (_request, _env, { params, log, waitUntil }) => {
    const work = async (): Promise<void> => {
      await step.taken
      if (params.how === 'fails') throw new Broken('afterwards')
      log.info('done afterwards')
    }
    if (params.how === 'release') {
      step.take()
      step = newStep()
    } else waitUntil(work())
    return new Response('at once')
  },
)

export const gone = defineWebHandler(
  { on: http.any('/gone/:how') },
  async (request, _env, { params: { how }, log, signal, waitUntil }) => {
    const aborted = new Promise<void>((resolve) => request.signal.addEventListener('abort', () => resolve()))
    waitUntil(
      aborted.then(() => log.info(`the caller has gone, ${signal.aborted ? 'and' : 'but not'} the call`)),
    )
    log.info('begun')
    if (how === 'reading') await request.text()
    if (how === 'waiting') await aborted
    return new Response(new ReadableStream({ start: (to) => to.enqueue(new Uint8Array(10)) }))
  },
)

export const limited = defineWebHandler({ on: http.post('/limited', { maxBytes: 1_000 }) }, async (request) =>
  Response.json({ bytes: (await request.arrayBuffer()).byteLength }),
)

export const signed = defineWebHandler(
  {
    on: [
      http.post('/signed', { verify: signature.github('SECRET') }),
      http.post('/keyed', { verify: signature.apiKey('SECRET') }),
    ],
  },
  async (request) => new Response(await request.text()),
)

export const crowded = defineWebHandler(
  { on: http.any('/crowded'), instanceConcurrency: 1, maxInstances: 1 },
  async (request) => {
    await wait(60_000, null, { signal: request.signal }).catch(() => undefined)
    return new Response()
  },
)

export const unread = defineWebHandler(
  { on: http.post('/unread') },
  () => new Response('no, thanks', { status: 413 }),
)

const FRAMES: Readonly<Record<string, readonly [type: number, header: object, payload: Buffer]>> = {
  end: [FRAME.responseEnd, { ok: true }, Buffer.alloc(0)],
  head: [FRAME.head, { status: 200 }, Buffer.from('{}')],
  answer: [FRAME.answer, { ok: true }, Buffer.from('{}')],
  body: [FRAME.responseChunk, {}, Buffer.from('no head before')],
  flood: [FRAME.responseChunk, {}, Buffer.alloc(1_000_000)],
  credit: [FRAME.requestCredit, { bytes: -1 }, Buffer.alloc(0)],
}

/** Speaks to the broker itself, for whichever call it may be. */
export const forge = defineWebHandler(
  { on: http.any('/forge/:what') },
  (_request, _env, { params, signal }) => {
    const [type, header, payload] = FRAMES[params.what] ?? [0, {}, Buffer.alloc(0)]
    for (let id = 1; id < 20; id++) {
      if (params.what === 'flood') writeWhole(encodeFrame(FRAME.head, id, { status: 200 }, Buffer.from('[]')))
      writeWhole(encodeFrame(type, id, header, payload))
    }
    return wait(60_000, new Response('not this'), { signal })
  },
)

function writeWhole(bytes: Buffer): void {
  for (let sent = 0; sent < bytes.length;) {
    try {
      sent += writeSync(3, bytes, sent)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}
