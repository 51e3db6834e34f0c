import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { makeProject, type Project } from '../support/project.ts'
import { type TestDatabase, testDatabase } from '../support/services.ts'

const resolved = (name: string): string => import.meta.resolve(`@opentelemetry/${name}`)

/** What an operator brings, with an exporter that writes a line for each span. */
const SDK = `import { appendFileSync } from 'node:fs'
import { trace } from '${resolved('api')}'
import { BasicTracerProvider, BatchSpanProcessor } from '${resolved('sdk-trace-base')}'
const exporter = {
  export(spans, done) {
    for (const span of spans) {
      const { traceId, spanId } = span.spanContext()
      const parent = span.parentSpanContext?.spanId ?? null
      appendFileSync(process.env.SPANS, JSON.stringify({ name: span.name, traceId, spanId, parent }) + '\\n')
    }
    done({ code: 0 })
  },
  shutdown: async () => {},
}
const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter, { scheduledDelayMillis: Number(process.env.SPAN_DELAY) })] })
trace.setGlobalTracerProvider(provider)
export const shutdown = () => provider.shutdown()
`
const ENTER = `import { defineFunction, http, queue } from 'tappet'
export default defineFunction({ on: http.post('/enter', { wait: '10s' }) }, async (event, ctx) => {
  await ctx.send(queue('next'), {})
  return { traceparent: ctx.traceparent }
})
`
const NEXT = `import { defineFunction, queue } from 'tappet'
export default defineFunction({ on: queue('next') }, (event, ctx) => ({ event: event.traceparent, ctx: ctx.traceparent }))
`
const PAGE = `export default (request, env, ctx) => Response.json({ ctx: ctx.traceparent, sent: request.headers.get('traceparent') })
`
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736'
const CALLER = '00f067aa0ba902b7'
const traceparent = `00-${TRACE_ID}-${CALLER}-01`

interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parent: string | null
}

describe('a trace through whole processes', () => {
  let database: TestDatabase
  let project: Project

  before(async () => {
    database = await testDatabase()
    const files = { 'functions/enter.ts': ENTER, 'functions/next.ts': NEXT, 'functions/page.ts': PAGE }
    project = await makeProject({ ...files, 'otel.mjs': SDK })
  })
  after(async () => {
    await project?.remove()
    await database?.drop()
  })

  /** What the two functions were given. */
  const run = async (environment: Record<string, string>) => {
    const app = await project.start({ DATABASE_URL: database.url, ...environment })
    const { runs: before } = await app.api<{ runs: unknown[] }>('/_tappet/api/v1/runs?q=function:next')
    const response = await fetch(`${app.url}/enter`, { method: 'POST', headers: { traceparent } })
    assert.equal(response.status, 200)
    const entered = (await response.json()) as { readonly traceparent: string | null }
    const [done] = await eventually(async () => {
      const path = '/_tappet/api/v1/runs?q=function:next%20status:completed'
      const { runs } = await app.api<{ runs: { id: string }[] }>(path)
      return runs.length > before.length ? runs : null
    }, 'the message to be handled')
    const { run: next } = await app.api<{ run: { result: { event: string; ctx: string } } }>(
      `/_tappet/api/v1/runs/${done?.id}`,
    )
    await app.stop()
    return { enter: entered.traceparent, next: next.result }
  }
  const chain = async (file: string): Promise<string[]> => {
    const lines = (await readFile(file, 'utf8')).trim().split('\n')
    const spans = lines.map((line) => JSON.parse(line) as Span)
    for (const { traceId } of spans) assert.equal(traceId, TRACE_ID)
    const names: string[] = []
    for (let at = CALLER; ;) {
      const next = spans.find(({ parent }) => parent === at)
      if (!next) return names
      names.push(next.name)
      at = next.spanId
    }
  }

  const WAYS = [
    ['TAPPET_OTEL', () => ({ TAPPET_OTEL: './otel.mjs', SPAN_DELAY: '60000' })],
    [
      'node --import',
      () => ({ NODE_OPTIONS: `--import=${join(project.folder, 'otel.mjs')}`, SPAN_DELAY: '50' }),
    ],
  ] as const
  for (const [name, environment] of WAYS) {
    it(`is told by the SDK of ${name}, in order, also at the end`, async () => {
      const file = join(project.folder, `spans-${name.replace(/\W+/g, '-')}.jsonl`)
      const { enter, next } = await run({ ...environment(), SPANS: file })
      const expected = ['emit http.request', 'run enter', 'emit queue.message', 'run next']
      await eventually(async () => (await chain(file)).length === 4, 'four spans that follow each other')
      assert.deepEqual(await chain(file), expected)
      for (const one of [enter, next.event, next.ctx]) assert.equal(one?.split('-')[1], TRACE_ID)
      assert.equal(
        new Set([traceparent, enter, next.event, next.ctx]).size,
        4,
        'each follows a span of its own',
      )
    })
  }

  it('leads from the caller of a web handler to its run', async () => {
    const file = join(project.folder, 'spans-web.jsonl')
    const environment = {
      DATABASE_URL: database.url,
      TAPPET_OTEL: './otel.mjs',
      SPAN_DELAY: '50',
      SPANS: file,
    }
    const app = await project.start(environment)
    const response = await fetch(`${app.url}/fn/page`, { headers: { traceparent } })
    const { ctx, sent } = (await response.json()) as { readonly ctx: string; readonly sent: string }
    assert.equal(sent, traceparent)
    await eventually(async () => (await chain(file)).length === 1, 'one span')
    assert.deepEqual(await chain(file), ['run page'])
    const [, traceId, spanId] = ctx.split('-')
    assert.equal(traceId, TRACE_ID)
    assert.notEqual(spanId, CALLER)
    await app.stop()
  })

  it('is handed on as it came when nobody brings an SDK', async () => {
    assert.deepEqual(await run({}), { enter: traceparent, next: { event: traceparent, ctx: traceparent } })
  })
})
