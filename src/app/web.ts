import type { Logger } from '../lib/log.ts'
import type { FunctionRuntime, LoadedFunction } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'
import type { Tracing } from '../tracing/tracing.ts'
import { createLeases, type Leases } from '../worker/leases.ts'
import { createWebRequests, type WebRequests } from '../worker/web-requests.ts'

export interface WebDeps {
  readonly store: Store
  readonly runtime: FunctionRuntime
  readonly findFunction: (functionId: string) => LoadedFunction | undefined
  readonly logger: Logger
  readonly tracing: Tracing
  readonly workerId: string
  /** Whether that worker says itself that it is alive. */
  readonly serving: boolean
}

const HEARTBEAT_MS = 2_000

/** Requests that functions answer here. A process that serves nothing else is a worker from the first one on. */
export function openWeb({ serving, ...deps }: WebDeps): WebRequests {
  const { store, workerId, logger } = deps
  let leases: Leases | null = null
  let alive: Promise<void> | null = null
  const begin = async (): Promise<void> => {
    leases ??= createLeases({
      ...{ store, workerId, logger, heartbeatMs: HEARTBEAT_MS },
      // They are cancelled by who has begun them.
      onDisowned: () => undefined,
    })
    await leases.start()
  }
  const beAlive = async (): Promise<void> => {
    if (serving) return
    alive ??= begin().catch((error: unknown) => {
      alive = null
      throw error
    })
    await alive
  }
  const web = createWebRequests({ ...deps, beAlive })
  return {
    serve: web.serve,
    async stop(graceMs) {
      await web.stop(graceMs)
      await leases?.stop()
      if (leases) await store.leave(workerId).catch(() => [])
    },
  }
}
