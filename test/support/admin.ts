import * as z from 'zod'
import { createMemoryKeys } from '../../src/access/memory-keys.ts'
import type { Audit } from '../../src/access/audit.ts'
import { createMemoryAudit } from '../../src/access/memory-audit.ts'
import type { Keys } from '../../src/access/keys.ts'
import type { RouteScope } from '../../src/access/scopes.ts'
import { registerPages } from '../../src/dashboard/register.ts'
import { registerAdminRoutes } from '../../src/api/admin.ts'
import type { AdminDeps, Check, MissedTicks } from '../../src/api/deps.ts'
import { createMetrics } from '../../src/api/metrics.ts'
import { API } from '../../src/api/paths.ts'
import type { Route } from '../../src/api/route.ts'
import { ROUTES } from '../../src/api/routes.ts'
import { createServer } from '../../src/api/server.ts'
import { createStream } from '../../src/api/stream/stream.ts'
import { createBroker } from '../../src/broker.ts'
import { startBulkRunner } from '../../src/bulk/runner.ts'
import type { FunctionDefinition } from '../../src/define/define-function.ts'
import { cron, defineFunction, FatalError, http, postgres, queue, upload } from '../../src/index.ts'
import { TappetError } from '../../src/errors.ts'
import { silentLogger } from '../../src/lib/log.ts'
import type { Outbox } from '../../src/outbox/outbox.ts'
import { createMemoryQueue } from '../../src/queue/memory.ts'
import { createInlineRuntime } from '../../src/runtime/inline.ts'
import { createAlertDesk } from '../../src/alerts/desk.ts'
import type { AlertLedger } from '../../src/alerts/ledger.ts'
import type { LoadedFunction } from '../../src/runtime/runtime.ts'
import { createMemoryStore } from '../../src/store/memory/store.ts'
import type { Bulks } from '../../src/store/bulks.ts'
import type { Reader } from '../../src/store/reader.ts'
import type { Store } from '../../src/store/store.ts'
import type { Subscription, Trigger } from '../../src/triggers/trigger.ts'
import { createQueueAdapter } from '../../src/triggers/queue/adapter.ts'
import type { QueueTrigger } from '../../src/triggers/queue/declare.ts'
import { createUploadAdapter } from '../../src/triggers/upload/adapter.ts'
import type { UploadTrigger } from '../../src/triggers/upload/declare.ts'
import { createMemoryFiles } from '../../src/triggers/upload/memory-files.ts'
import { createMemoryStorage } from '../../src/triggers/upload/memory-storage.ts'
import { createAwaitRun } from '../../src/worker/await-run.ts'
import { createDispatcher } from '../../src/worker/dispatcher.ts'
import { createWorker } from '../../src/worker/worker.ts'
import { makeFunction } from './make.ts'

export const KEY = 'tpt_the-key-of-the-tests'

const Order = z.object({ id: z.string(), total: z.number().default(1) })
const Mail = z.object({
  to: z.string().optional(),
  fail: z.boolean().optional(),
  slow: z.boolean().optional(),
})

/** What the server of the tests serves. `mail/send` fails when it is told to, and waits for its signal when slow. */
const DEFINITIONS = new Map(
  Object.entries({
    'orders/place': defineFunction(
      { on: [http.post('/orders', { body: Order }), queue('orders', { data: Order })] },
      (event) => ({ placed: event.data, type: event.type, source: event.source, id: event.id }),
    ),
    'mail/send': defineFunction(
      { on: queue('emails', { data: Mail }), retry: false },
      async ({ data }, { log, signal }) => {
        log.info({ to: data.to }, 'sending')
        if (data.fail) throw new FatalError(`mailbox 42 of "${data.to}" is full`)
        if (data.slow)
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
        return 'sent'
      },
    ),
    'reports/nightly': defineFunction(
      { on: cron('0 3 * * *', { timezone: 'Europe/Berlin' }) },
      ({ data }) => data,
    ),
    'orders/on-paid': defineFunction({ on: postgres.table('orders').onUpdate() }, ({ change }) => change),
    'avatars/describe': defineFunction({ on: upload('avatars/**') }, ({ data }) => data),
  }) as unknown as Iterable<[string, FunctionDefinition]>,
)

interface Answer {
  readonly status: number
  /** Whatever the route answers; the tests say what that must be. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
}

export interface ServedRoute {
  readonly method: string
  readonly url: string
  readonly scope: RouteScope | undefined
}

export interface AdminServer {
  readonly url: string
  readonly store: Store
  readonly keys: Keys
  readonly audit: Audit
  readonly functions: readonly LoadedFunction[]
  /** All that it serves. */
  readonly routes: readonly ServedRoute[]
  /** What `/readyz` is told. */
  checks: readonly Check[]
  stopping: boolean
  request(path: string, init?: RequestInit): Promise<Answer>
  close(): Promise<void>
}

/** A whole process in miniature: real server, broker, dispatcher and worker; queue and runtime are memory twins. */
export async function startAdmin(
  ledger: Store = createMemoryStore(),
  more: Partial<Pick<AdminDeps, 'openMetrics' | 'reader' | 'bulks' | 'alerts'>> = {},
): Promise<AdminServer> {
  const metrics = createMetrics()
  const store = metrics.watch(ledger)
  const jobs = createMemoryQueue()
  const logger = silentLogger
  const keys = createMemoryKeys()
  const audit = createMemoryAudit()
  const server = createServer({ keys: [KEY], issued: keys, logger })
  const routes: ServedRoute[] = []
  server.addHook('onRoute', ({ method, url, config }) => {
    for (const each of [method].flat()) routes.push({ method: each, url, scope: config?.scope })
  })
  const runtime = createInlineRuntime(DEFINITIONS, NO_CALLS, (lines) => void store.appendLogs(lines))
  const functions = [...DEFINITIONS].map(([id, definition]) => load(id, definition))
  const findFunction = (id: string) => functions.find((fn) => fn.id === id)
  const dispatcher = createDispatcher({ store, queue: jobs, logger })
  const broker = createBroker({ store, runtime, dispatcher, logger, findFunction })
  const worker = createWorker({ store, queue: jobs, runtime, dispatcher, logger })
  const queues = createQueueAdapter({ server, outbox: NO_OUTBOX, logger })
  const uploads = createUploadAdapter({
    server,
    storage: createMemoryStorage(),
    files: createMemoryFiles(),
    logger,
  })
  const state: Pick<AdminServer, 'checks' | 'stopping'> = {
    checks: [{ name: 'postgres', ok: true, detail: 'rtt 1 ms' }],
    stopping: false,
  }
  const deps: AdminDeps = {
    ...{
      server,
      store,
      reader: NO_READER,
      bulks: NO_BULKS,
      stream: createStream({ reader: more.reader ?? NO_READER, server, logger, everyMs: 20 }),
      keys,
      audit,
      logger,
      metrics,
      queue: jobs,
      emit: broker.emit,
      enqueue: dispatcher.enqueue,
    },
    awaitRun: createAwaitRun(store),
    catalog: () => ({ functions, problems: [PROBLEM] }),
    triggerProblems: () => [],
    alerts: createAlertDesk({ settings: null, ledger: ONE_ALERT }),
    databases: async () => [],
    unfinishedUploads: uploads.unfinished,
    schedules: { list: async () => [SCHEDULE], missed: async () => [MISSED] },
    checks: async () => state.checks,
    stopping: () => state.stopping,
    ...more,
  }
  registerPages(server, null)
  registerAdminRoutes(deps)
  const { reader, bulks, enqueue } = deps
  const knows = (id: string) => findFunction(id) !== undefined
  const runner = more.bulks && startBulkRunner({ bulks, reader, store, enqueue, knows, logger, everyMs: 20 })
  await queues.start(subscriptions<QueueTrigger>(functions, 'queue'), broker.emit)
  await uploads.start(subscriptions<UploadTrigger>(functions, 'upload'), broker.emit)
  dispatcher.start()
  await worker.serve(functions)
  const url = await server.listen({ host: '127.0.0.1', port: 0 })

  return Object.assign(state, {
    ...{ url, store, keys, audit, functions, routes },
    async request(path: string, init: RequestInit = {}) {
      const json = init.body === undefined ? {} : { 'content-type': 'application/json' }
      const headers = { authorization: `Bearer ${KEY}`, ...json, ...(init.headers as Record<string, string>) }
      const response = await fetch(url + path, { ...init, headers })
      const text = await response.text()
      const isJson = response.headers.get('content-type')?.includes('json')
      const body = isJson ? JSON.parse(text) : text
      checkAnswer(init.method ?? 'GET', path, response.status, body)
      return { status: response.status, body }
    },
    async close() {
      await runner?.stop()
      await queues.stop()
      await uploads.stop()
      await broker.stop()
      await worker.stop(50)
      await dispatcher.stop()
      await server.close()
      await jobs.close()
      await store.close()
    },
  })
}

export const PROBLEM = {
  file: 'functions/broken.ts',
  code: 'TPT_FUNCTION_INVALID',
  message: 'functions/broken.ts: does not compile',
} as const

const SCHEDULE = {
  ...{
    id: 'reports/nightly#0',
    functionId: 'reports/nightly',
    expression: '0 3 * * *',
    timezone: 'Europe/Berlin',
  },
  ...{ nextAt: new Date('2027-03-27T02:00:00Z'), previousAt: null, skipped: 0 },
}

const MISSED: MissedTicks = {
  ...{ schedule: SCHEDULE.id, foundAt: new Date('2027-03-26T09:00:00Z'), count: 2, made: 1 },
  ...{ first: new Date('2027-03-25T02:00:00Z'), last: new Date('2027-03-26T02:00:00Z') },
  ...{ catchUp: 'latest', busy: false },
}

/** What people ask needs Postgres: tests that ask bring their own. */
const NO_READER = new Proxy({} as Reader, {
  get: () => () => Promise.reject(new TappetError('TPT_UNAVAILABLE', 'no reader in this test')),
})

/** Something is wrong, and nobody has been told of anything. */
const ONE_ALERT = {
  firing: async () => [
    {
      ...{ id: 'alr_1', kind: 'queue.aging', subject: 'mail/send', message: 'The queue of mail/send ages.' },
      since: new Date(0),
    },
  ],
  tellings: async () => [],
} as Partial<AlertLedger> as AlertLedger
const NO_BULKS = NO_READER as unknown as Bulks

/** Whatever a test asks for: the answer must be what the route table says. */
function checkAnswer(method: string, path: string, status: number, body: unknown): void {
  if (status >= 300 || !path.startsWith(API)) return
  const route = findRoute(method, path.slice(API.length).split('?')[0] ?? '')
  if (!route) throw new Error(`${method} ${path} is not in the route table`)
  if (!route.statuses.includes(status)) throw new Error(`${method} ${path}: ${status} is not in the table`)
  const parsed = route.answer?.safeParse(body)
  if (parsed && !parsed.success) throw new Error(`${method} ${path}: ${z.prettifyError(parsed.error)}`)
}

/** Of several that fit, the one with the fewest place-holders. */
function findRoute(method: string, path: string): Route | undefined {
  const fits = (pattern: string): boolean => {
    const any = pattern.startsWith('/functions/') ? '.+' : '[^/]+'
    return new RegExp(`^${pattern.replaceAll(/:\w+/g, any)}$`).test(path)
  }
  return ROUTES.filter((route) => route.method === method && fits(route.path)).toSorted(
    (a, b) => a.path.split(':').length - b.path.split(':').length,
  )[0]
}

const NO_OUTBOX = { take: () => undefined } as unknown as Outbox
const NO_CALLS = { send: refuse, fileInfo: refuse, fileRead: refuse }

function refuse(): Promise<never> {
  return Promise.reject(new Error('not in this test'))
}

function load(id: string, { options }: FunctionDefinition): LoadedFunction {
  const triggers = [options.on].flat() as readonly Trigger[]
  const attempts = options.retry === false ? 1 : 3
  return makeFunction({
    id,
    file: `functions/${id}.ts`,
    triggers: triggers.map((trigger) => ({ ...trigger, schemas: Object.keys(trigger.schemas) })),
    retry: { attempts, delayMs: 20, factor: 1, maxDelayMs: 20, jitter: 0 },
  })
}

function subscriptions<T extends Trigger>(
  functions: readonly LoadedFunction[],
  kind: string,
): readonly Subscription<T>[] {
  return functions.flatMap(({ id, triggers }) =>
    triggers.flatMap((trigger, index) =>
      trigger.kind === kind ? [{ functionId: id, index, trigger } as unknown as Subscription<T>] : [],
    ),
  )
}
