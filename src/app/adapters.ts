import type { HttpServer } from '../api/server.ts'
import type { Config, Role } from '../config.ts'
import { TappetError } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import type { Outbox } from '../outbox/outbox.ts'
import { createPostgresOutbox } from '../outbox/postgres.ts'
import type { HostCalls } from '../runtime/runtime.ts'
import { createPostgresFiles } from '../store/postgres/files.ts'
import { createPostgresSchedules } from '../store/postgres/schedules.ts'
import { createCronAdapter } from '../triggers/cron/adapter.ts'
import type { Store } from '../store/store.ts'
import type { Schedules } from '../triggers/cron/schedules.ts'
import { createHttpAdapter } from '../triggers/http/adapter.ts'
import type { Serve } from '../triggers/http/web.ts'
import { createPostgresAdapter } from '../triggers/postgres/adapter.ts'
import { createQueueAdapter, type QueueAdapter } from '../triggers/queue/adapter.ts'
import type { AwaitRun, Emit, Subscription, TriggerAdapter, TriggerProblem } from '../triggers/trigger.ts'
import { createUploadAdapter, type UploadAdapter } from '../triggers/upload/adapter.ts'
import { createDiskStorage } from '../triggers/upload/disk-storage.ts'
import type { Database } from './database.ts'

/** All trigger kinds of a process. */
export interface Adapters {
  readonly queue: QueueAdapter
  readonly schedules: Schedules
  readonly unfinishedUploads: UploadAdapter['unfinished']
  /** What running functions may ask of us. */
  readonly host: HostCalls
  outboxes(): readonly Outbox[]
  start(subscriptionsOf: SubscriptionsOf, emit: Emit): Promise<void>
  update(subscriptionsOf: SubscriptionsOf): Promise<void>
  problems(): readonly TriggerProblem[]
  stop(): Promise<void>
}

type SubscriptionsOf = (kind: string) => readonly Subscription[]

export interface AdaptersDeps {
  readonly config: Config
  readonly database: Database
  readonly server: HttpServer
  readonly awaitRun: AwaitRun
  readonly store: Store
  readonly nowMs: () => number | Promise<number>
  readonly serve: Serve
  readonly logger: Logger
  /** Whether triggers in databases are put in place, or only compared with what is declared. */
  readonly install: 'apply' | 'check'
}

/** The list of trigger kinds: a new one is a folder beside the others, and a line here. */
export async function createAdapters(deps: AdaptersDeps): Promise<Adapters> {
  const { config, database, server, logger } = deps
  const connectionUrl = (name: string | null): string | undefined =>
    name === null ? database.url : config.variable(name)
  const outboxes = createOutboxes(connectionUrl, config, logger)
  const outbox = outboxes.of(null)
  const schedules = createPostgresSchedules(database.pool)
  const storage = await createDiskStorage(`${config.stateFolder}/uploads`)

  const http = createHttpAdapter({
    ...deps,
    secret: config.variable,
    findEvent: async (id) => (await deps.store.event(id))?.envelope ?? null,
  })
  const queue = createQueueAdapter({ server, outbox, logger })
  const upload = createUploadAdapter({ server, storage, files: createPostgresFiles(database.pool), logger })
  const cron = createCronAdapter({ schedules, logger })
  const { install } = deps
  const { project } = config
  const postgres = createPostgresAdapter({ outbox: outboxes.of, connectionUrl, project, install, logger })

  const ofRole: Readonly<Record<Role, readonly TriggerAdapter[]>> = {
    http: [http, upload],
    triggers: [cron, postgres],
    worker: [],
  }
  // Messages come from everywhere: functions on workers send them too.
  const used: readonly TriggerAdapter[] = [queue, ...config.roles.flatMap((role) => ofRole[role])]
  const draining = config.roles.includes('triggers')

  return {
    queue,
    schedules,
    unfinishedUploads: upload.unfinished,
    host: createHost(queue, upload),
    outboxes: outboxes.all,
    async start(subscriptionsOf, emit) {
      await Promise.all(used.map((adapter) => adapter.start(subscriptionsOf(adapter.kind), emit)))
      if (draining) await outbox.start()
    },
    async update(subscriptionsOf) {
      await Promise.all(used.map((adapter) => adapter.update(subscriptionsOf(adapter.kind))))
    },
    problems: () => used.flatMap((adapter) => adapter.problems()),
    async stop() {
      await Promise.all(outboxes.all().map((each) => each.stop()))
      await Promise.all(used.map((adapter) => adapter.stop()))
    },
  }
}

interface Outboxes {
  /** The one of a database, made when it is first asked for. */
  of(database: string | null): Outbox
  all(): readonly Outbox[]
}

function createOutboxes(
  connectionUrl: (name: string | null) => string | undefined,
  { project }: Config,
  logger: Logger,
): Outboxes {
  const made = new Map<string | null, Outbox>()
  return {
    of(database) {
      const known = made.get(database)
      if (known) return known
      const url = connectionUrl(database)
      if (!url) {
        const message = `environment variable ${database} must be the URL of a Postgres database, but is not set`
        throw new TappetError('TPT_CONFIG_INVALID', message)
      }
      const outbox = createPostgresOutbox({ url, database, project, logger })
      made.set(database, outbox)
      return outbox
    },
    all: () => [...made.values()],
  }
}

function createHost(queue: QueueAdapter, upload: UploadAdapter): HostCalls {
  return {
    async send(message, { runId }) {
      await queue.send(message, runId)
    },
    async fileInfo(key) {
      const file = await upload.file(key)
      if (!file) throw new TappetError('TPT_NOT_FOUND', `there is no file ${JSON.stringify(key)}`)
      return file
    },
    fileRead: (id, start, end) => upload.read(id, start, end),
  }
}
