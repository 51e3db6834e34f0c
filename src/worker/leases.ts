import { hostname } from 'node:os'
import { explain, TappetError } from '../errors.ts'
import { ownIdentity } from '../lib/own-process.ts'
import type { Logger } from '../lib/log.ts'
import { type Loop, startLoop } from '../lib/service.ts'
import type { Job } from '../queue/queue.ts'
import type { Claim, Lease, Store } from '../store/store.ts'

/** The runs that this worker holds, and the heart that keeps them its own. */
export interface Leases {
  /** Notes a lease; the signal aborts when it is lost: the run was cancelled, or another worker has it. */
  hold(claim: Claim): { readonly signal: AbortSignal; release(): void }
  count(): number
  /** Says that the worker is alive, and goes on saying so. */
  start(): Promise<void>
  abortAll(reason: TappetError): void
  stop(): Promise<void>
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
}

export function createLeases({ store, workerId, heartbeatMs, logger, onDisowned }: LeasesDeps): Leases {
  const info = { id: workerId, host: hostname(), pid: process.pid, ...ownIdentity() }
  const held = new Map<string, Held>()
  const list = (): Lease[] => [...held].map(([runId, { lease }]) => ({ runId, lease }))
  let heart: Loop | null = null

  const beat = async (): Promise<void> => {
    for (const { runId, lease } of await store.heartbeat(info, list())) {
      const mine = held.get(runId)
      if (mine?.lease !== lease) continue
      mine.controller.abort(
        new TappetError('TPT_LEASE_LOST', `run ${runId} was cancelled, or another worker has it`),
      )
    }
    onDisowned(await store.disown(workerId, list()))
  }

  return {
    hold({ runId, lease }) {
      const controller = new AbortController()
      held.set(runId, { lease, controller })
      const release = (): void => {
        if (held.get(runId)?.lease === lease) held.delete(runId)
      }
      return { signal: controller.signal, release }
    },
    count: () => held.size,
    async start() {
      await store.heartbeat(info, [])
      const onError = (error: unknown): void => logger.debug({ error: explain(error) }, 'no heartbeat')
      heart ??= startLoop(beat, { everyMs: heartbeatMs, onError })
    },
    abortAll(reason) {
      for (const { controller } of held.values()) controller.abort(reason)
    },
    stop: async () => heart?.stop(),
  }
}
