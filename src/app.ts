import { explain } from './errors.ts'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Check } from './api/deps.ts'
import { createMetrics, type Metrics } from './api/metrics.ts'
import { createServer } from './api/server.ts'
import { serveAdmin } from './app/admin.ts'
import { serveAlerts } from './app/alerts.ts'
import { type Adapters, createAdapters } from './app/adapters.ts'
import { runChecks } from './app/checks.ts'
import { startClock } from './app/clock.ts'
import { type Database, openDatabase } from './app/database.ts'
import { openDatabases } from './app/databases.ts'
import { openQueue } from './app/engine.ts'
import { type Functions, openFunctions } from './app/functions.ts'
import { isLoopback, listen } from './app/listen.ts'
import { startRetiring } from './app/retiring.ts'
import { startTracing } from './app/tracing.ts'
import { openWeb } from './app/web.ts'
import { startWork } from './app/work.ts'
import { type Broker, createBroker } from './broker.ts'
import type { Config } from './config.ts'
import { registerPages } from './dashboard/register.ts'
import type { Logger } from './lib/log.ts'
import type { Queue } from './queue/queue.ts'
import type { Catalog } from './runtime/catalog.ts'
import { openStateFolder, type StateFolder } from './state-folder.ts'
import { createPostgresAudit } from './store/postgres/audit.ts'
import { createPostgresKeys } from './store/postgres/keys.ts'
import { createPostgresStore } from './store/postgres/store.ts'
import type { Store } from './store/store.ts'
import type { Tracing } from './tracing/tracing.ts'
import type { ScheduleRow } from './triggers/cron/schedules.ts'
import type { PostgresTrigger } from './triggers/postgres/declare.ts'
import type { Subscription, TriggerProblem } from './triggers/trigger.ts'
import { createAwaitRun } from './worker/await-run.ts'
import { createDispatcher } from './worker/dispatcher.ts'
import { createLogSink } from './worker/log-sink.ts'
import { createWorker } from './worker/worker.ts'

/** A process of Tappet, running. */
export interface App {
  readonly url: string
  /** For a link that signs a browser in once; null when there are none, outside of `dev`. */
  readonly loginToken: (() => string) | null
  /** Of the ledger's database. */
  readonly databaseUrl: string
  readonly database: 'embedded' | 'given'
  readonly databaseVersion: string
  readonly engine: Queue['engine']
  readonly adminKey: string
  catalog(): Catalog
  triggerProblems(): readonly TriggerProblem[]
  schedules(): Promise<readonly ScheduleRow[]>
  checks(): Promise<readonly Check[]>
  /** Reads the functions again, and serves them as they are now. */
  reload(): Promise<Catalog>
  /** Takes nothing more in, finishes or gives back what is under way, stops what was started. Idempotent. */
  stop(): Promise<void>
}

export interface AppOptions {
  /** `dev`: alone in its folder; puts triggers in place and runs `functions/schema.sql`. */
  readonly mode: 'dev' | 'start'
  readonly logger: Logger
  /** Told about what takes time. */
  readonly onProgress?: (message: string) => void
}

/** Builds every part and starts them in order; whoever fails takes down what was started before. */
export async function startApp(
  config: Config,
  { mode, logger, onProgress = () => undefined }: AppOptions,
): Promise<App> {
  const undo: (() => Promise<unknown>)[] = []
  const unwind = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) {
      await step().catch((error: unknown) =>
        logger.warn({ error: explain(error) }, 'a part did not stop cleanly'),
      )
    }
  }
  try {
    const { tracing, stop: stopTracing } = await startTracing(config, logger)
    undo.push(stopTracing)
    const folder = await openStateFolder(config.stateFolder)
    if (mode === 'dev' || config.databaseUrl === null) {
      await folder.lock()
      undo.push(() => folder.release())
    }
    undo.push(() => folder.withdraw())
    const database = await openDatabase({ config, logger, onProgress })
    const metrics = createMetrics()
    const store = metrics.watch(createPostgresStore(database.pool))
    undo.push(async () => {
      await store.close()
      await database.stop()
    })
    if (mode === 'dev') await applySchema(config, database)
    const queue = await openQueue(config, database.url, logger)
    undo.push(() => queue.close())
    const parts = { config, mode, logger, folder, database, store, queue, metrics, tracing, undo }
    const app = await startParts(parts)
    let stopped: Promise<void> | null = null
    return { ...app, stop: () => (stopped ??= unwind()) }
  } catch (error) {
    await unwind()
    throw error
  }
}

interface Parts {
  readonly config: Config
  readonly mode: AppOptions['mode']
  readonly logger: Logger
  readonly folder: StateFolder
  readonly database: Database
  readonly store: Store
  readonly queue: Queue
  readonly metrics: Metrics
  readonly tracing: Tracing
  readonly undo: (() => Promise<unknown>)[]
}

async function startParts(parts: Parts): Promise<Omit<App, 'stop'>> {
  const { config, mode, logger, folder, database, store, queue, metrics, tracing, undo } = parts
  const { adminKey, keys, server, links } = await openServer(parts)
  const audit = createPostgresAudit(database.pool)
  const clock = await startClock(store)
  undo.push(() => clock.stop())
  const awaitRun = createAwaitRun(store)
  const install = mode === 'dev' ? 'apply' : 'check'
  const triggers = { config, database, server, store, awaitRun, logger, install, nowMs: clock.nowMs } as const
  const adapters = await createAdapters({ ...triggers, serve: (served) => web.serve(served) })
  const logs = createLogSink(store, logger)
  const { host, schedules, unfinishedUploads } = adapters
  const { url: databaseUrl } = database
  const functions = await openFunctions({ config, databaseUrl, host, onLog: logs.write, logger })
  const { runtime } = functions
  undo.push(async () => {
    await runtime.close()
    await logs.stop()
  })
  const dispatcher = createDispatcher({ store, queue, logger })
  const findFunction = functions.find
  const broker = createBroker({ store, runtime, dispatcher, logger, tracing, findFunction })
  const { stateFolder, openMetrics, concurrency } = config
  const worker = createWorker({ store, queue, runtime, dispatcher, logger, tracing, concurrency })
  const serving = config.roles.includes('worker')
  const web = openWeb({ store, runtime, findFunction, logger, tracing, workerId: worker.id, serving })
  const checks = () => runChecks({ ...adapters, store, queue, stateFolder, excess: database.excess })
  const subscriptions = () => functions.subscriptions('postgres') as readonly Subscription<PostgresTrigger>[]
  const stopAdmin = serveAdmin(config, database.pool, {
    ...{ server, store, keys, audit, logger, queue, metrics, awaitRun, checks, openMetrics },
    ...{ schedules, unfinishedUploads },
    ...{ emit: broker.emit, enqueue: dispatcher.enqueue, catalog: functions.current },
    triggerProblems: adapters.problems,
    databases: openDatabases({ config, database, adapters, subscriptions }),
    stopping: () => stopping,
  })
  undo.push(stopAdmin)

  let stopping = false
  await startWork({ dispatcher, worker, undo }, serving ? functions.current().functions : null)
  undo.push(() => worker.stop(config.shutdownTimeoutMs))
  undo.push(startRetiring({ store, audit }, config, logger))
  undo.push(() => server.close())
  await startIntake({ adapters, functions, broker, undo })
  undo.push(() => web.stop(config.shutdownTimeoutMs))
  undo.push(serveAlerts(config, { pool: database.pool, functions, logger }))
  const url = await listen(server, config)
  undo.push(async () => {
    stopping = true
  })
  await folder.announce({ pid: process.pid, url, databaseUrl: announcedUrl(database) })

  return {
    ...{ url, adminKey, checks, databaseUrl, engine: queue.engine },
    ...{ database: database.kind, databaseVersion: database.version },
    catalog: functions.current,
    triggerProblems: adapters.problems,
    loginToken: links?.next ?? null,
    schedules: () => schedules.list(),
    async reload() {
      const catalog = await functions.reload()
      await adapters.update(functions.subscriptions)
      if (serving) await worker.serve(catalog.functions)
      return catalog
    },
  }
}

/** Not listening yet. */
async function openServer({ config, mode, logger, folder, database }: Parts) {
  const adminKey = config.adminToken ?? (await folder.adminKey())
  // In production a proxy on this machine may hand on any name.
  const loopbackOnly = mode === 'dev' && isLoopback(config.host)
  const keys = createPostgresKeys(database.pool)
  const server = createServer({ keys: [adminKey], issued: keys, logger, loopbackOnly })
  return { adminKey, keys, server, links: registerPages(server, mode === 'dev' ? adminKey : null) }
}

/** Whoever reads the state folder connects with a password of their own. */
function announcedUrl({ kind, url: href }: Database): string {
  if (kind === 'embedded') return href
  const url = new URL(href)
  url.password = ''
  url.searchParams.delete('password')
  return url.href
}

interface Intake {
  readonly adapters: Adapters
  readonly functions: Functions
  readonly broker: Broker
  readonly undo: (() => Promise<unknown>)[]
}

async function startIntake({ adapters, functions, broker, undo }: Intake): Promise<void> {
  undo.push(async () => {
    await adapters.stop()
    await broker.stop()
  })
  await adapters.start(functions.subscriptions, broker.emit)
}

/** The tables of the project's own, for those who begin: only `dev` does it, at every start. */
async function applySchema({ root }: Config, { pool }: Database): Promise<void> {
  const sql = await readFile(join(root, 'functions', 'schema.sql'), 'utf8').catch(() => null)
  if (sql !== null) await pool.query(sql)
}
