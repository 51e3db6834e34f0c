import type { AddressInfo } from 'node:net'
import { createServer } from '../../src/api/server.ts'
import type { ErrorCode } from '../../src/errors.ts'
import type { FunctionRuntime, LoadedFunction } from '../../src/runtime/runtime.ts'
import { createMemoryStore } from '../../src/store/memory/store.ts'
import type { Attempt, Run, Store } from '../../src/store/store.ts'
import { createHttpAdapter } from '../../src/triggers/http/adapter.ts'
import type { HttpTrigger } from '../../src/triggers/http/declare.ts'
import type { Subscription } from '../../src/triggers/trigger.ts'
import { createWebRequests } from '../../src/worker/web-requests.ts'
import { eventually } from './eventually.ts'
import { recordingLogger } from './recording-logger.ts'

/** A server with web handlers behind it: all but the ledger's database as in a process of Tappet. */
export interface WebServer {
  readonly url: string
  readonly port: number
  readonly store: Store
  /** The run of a response, once it is written down. */
  runOf(response: { readonly headers: Headers }): Promise<Run>
  attemptOf(run: Run): Promise<Attempt>
  /** The newest run, once there are so many. */
  newest(count: number): Promise<Run>
  stop(graceMs?: number): Promise<void>
}

export interface WebServerOptions {
  readonly runtime: FunctionRuntime
  readonly functions: readonly LoadedFunction[]
  readonly secrets?: Readonly<Record<string, string>>
  readonly placeMs?: number
}

export async function startWebServer({
  runtime,
  functions,
  secrets = {},
  placeMs,
}: WebServerOptions): Promise<WebServer> {
  const store = createMemoryStore()
  const { logger } = recordingLogger()
  const server = createServer({ keys: [], logger })
  const web = createWebRequests({
    ...{ store, runtime, logger, workerId: 'wrk_test', beAlive: async () => undefined },
    findFunction: (id) => functions.find((fn) => fn.id === id),
    ...(placeMs !== undefined && { placeMs }),
  })
  const adapter = createHttpAdapter({
    ...{ server, logger, serve: web.serve, stopGraceMs: 200 },
    awaitRun: async () => null,
    findEvent: async () => null,
    secret: (name) => secrets[name],
    nowMs: () => Date.now(),
  })
  const subscriptions = functions.flatMap(({ id: functionId, triggers }) =>
    triggers.map((trigger, index) => ({ functionId, index, trigger }) as Subscription<HttpTrigger>),
  )
  await adapter.start(subscriptions, () => Promise.reject(new Error('nothing is emitted')))
  await server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = server.server.address() as AddressInfo
  let stopped: Promise<void> | null = null
  const stop = async (graceMs: number): Promise<void> => {
    await web.stop(graceMs)
    await adapter.stop()
    await server.close()
  }
  return {
    ...{ url: `http://127.0.0.1:${port}`, port, store },
    runOf: ({ headers }) =>
      eventually(async () => {
        const run = await store.run(headers.get('tappet-run-id') ?? '')
        return run?.finishedAt ? run : null
      }, 'the run is written down'),
    async attemptOf({ id }) {
      const [attempt] = await store.attempts(id)
      if (!attempt) throw new Error(`expected an attempt of ${id}, found none`)
      return attempt
    },
    newest: (count) =>
      eventually(async () => {
        const runs = await store.runs({})
        return runs.length >= count && runs[0]?.finishedAt ? runs[0] : null
      }, `${count} runs are written down`),
    stop: (graceMs = 5_000) => (stopped ??= stop(graceMs)),
  }
}

export interface ErrorAnswer {
  readonly error: { readonly code: ErrorCode; readonly message: string; readonly hint: string }
}
