import { hostname } from 'node:os'
import { explain, TappetError } from '../errors.ts'
import { ownIdentity } from '../lib/own-process.ts'
import type { Logger } from '../lib/log.ts'
import { type Loop, startLoop } from '../lib/service.ts'
import type { Job } from '../queue/queue.ts'
import type { Claim, Lease, Store } from '../store/store.ts'

/** The runs that this worker holds, and the heart that keeps them its own. */
export interface Leases {
  hold(claim: Claim): Hold
  count(): number
  /** Says that the worker is alive, and goes on saying so. */
  start(): Promise<void>
  abortAll(reason: TappetError): void
  stop(): Promise<void>
}

/** One lease that this worker holds. One signal for all reasons to stop: to join several cost more than the rest of it. */
export interface Hold {
  /** Aborts when the lease is lost (the run was cancelled, or another worker has it), or by `abort`. */
  readonly signal: AbortSignal
  /** Aborts the signal, and keeps the lease. */
  abort(reason: TappetError): void
  /** Whether the lease is lost, or the worker stops and waits no longer. */
  isOver(): boolean
  release(): void
}

export interface LeasesDeps {
  readonly store: Store
  readonly workerId: string
  readonly heartbeatMs: number
  readonly logger: Logger
  /** Runs that the ledger had put down to us, without our knowing. */
  readonly onDisowned: (jobs: readonly Job[]) => void
}

interface Held {
  readonly lease: number
  readonly controller: AbortController
  over: boolean
}

export function createLeases({ store, workerId, heartbeatMs, logger, onDisowned }: LeasesDeps): Leases {
  const info = { id: workerId, host: hostname(), pid: process.pid, ...ownIdentity() }
  const held = new Map<string, Held>()
  const list = (): Lease[] => [...held].map(([runId, { lease }]) => ({ runId, lease }))
  let heart: Loop | null = null

  const end = (one: Held, reason: TappetError): void => {
    one.over = true
    one.controller.abort(reason)
  }

  const beat = async (): Promise<void> => {
    for (const { runId, lease } of await store.heartbeat(info, list())) {
      const mine = held.get(runId)
      if (mine?.lease !== lease) continue
      end(mine, new TappetError('TPT_LEASE_LOST', `run ${runId} was cancelled, or another worker has it`))
    }
    onDisowned(await store.disown(workerId, list()))
  }

  return {
    hold({ runId, lease }) {
      const controller = new AbortController()
      const own: Held = { lease, controller, over: false }
      held.set(runId, own)
      const release = (): void => {
        if (held.get(runId) === own) held.delete(runId)
      }
      const abort = (reason: TappetError): void => controller.abort(reason)
      return { signal: controller.signal, abort, isOver: () => own.over, release }
    },
    count: () => held.size,
    async start() {
      await store.heartbeat(info, [])
      const onError = (error: unknown): void => logger.debug({ error: explain(error) }, 'no heartbeat')
      heart ??= startLoop(beat, { everyMs: heartbeatMs, onError })
    },
    abortAll(reason) {
      for (const one of held.values()) end(one, reason)
    },
    stop: async () => heart?.stop(),
  }
}
