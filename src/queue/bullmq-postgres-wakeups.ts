import type { PostgresConnection } from 'bullmq'
import { pause, withDeadline } from '../lib/service.ts'
import type { Health } from './health.ts'
import { type Bell, createBell, type Wakeups } from './wakeups.ts'

/** BullMQ tells this channel the name of each queue that got a job. */
export const JOBS_CHANNEL = 'bullmq_jobs'

type ListenClient = Awaited<ReturnType<PostgresConnection['getListenClient']>>

/** How often the connection must show that it is alive, and how long it may take to. */
const CHECK_MS = 5_000
const ANSWER_MS = 5_000
const RECONNECT_MS = 500

/** BullMQ LISTENs on one connection per worker. Here they share one. */
export function createPostgresWakeups(connection: PostgresConnection, health: Health): Wakeups {
  const bells = new Map<string, Set<Bell>>()
  const stopping = new AbortController()
  let onLost = (): void => undefined
  connection.on('listenerinvalidated', () => onLost())

  const hear = (channel: string, queueName: string | undefined): void => {
    if (channel !== JOBS_CHANNEL || queueName === undefined) return
    for (const bell of bells.get(queueName) ?? []) bell.ring()
  }
  const listen = async (): Promise<void> => {
    const client = await connection.getListenClient()
    const lost = new Promise<void>((resolve) => (onLost = resolve))
    client.on('notification', ({ channel, payload }) => hear(channel, payload))
    await client.query(`LISTEN ${JOBS_CHANNEL}`)
    health.restored()
    // What was said while nobody listened is not said again.
    for (const queueName of bells.keys()) hear(JOBS_CHANNEL, queueName)
    await Promise.race([lost, untilSilent(client, stopping.signal)])
    if (stopping.signal.aborted) return
    destroy(client)
    await lost
  }
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await listen().catch((error: unknown) => health.lost(error))
      if (!stopping.signal.aborted) health.lost('no LISTEN connection')
      await pause(RECONNECT_MS, stopping.signal)
    }
  }
  void run()

  return {
    watch(queueName, hasRoom) {
      const bell = createBell({
        hasRoom,
        onWait: () => undefined,
        // Every process has heard it.
        onUnused: () => undefined,
        onClose: () => {
          own.delete(bell)
          if (own.size === 0) bells.delete(queueName)
        },
      })
      const own = bells.get(queueName) ?? new Set()
      bells.set(queueName, own.add(bell))
      return bell
    },
    close() {
      stopping.abort()
      for (const own of bells.values()) for (const bell of own) bell.close()
    },
  }
}

/** Resolves when the connection has not answered in time: its peer may be gone without a word. */
async function untilSilent(client: ListenClient, signal: AbortSignal): Promise<void> {
  const answers = (): Promise<boolean> =>
    withDeadline(client.query('SELECT 1'), ANSWER_MS, () => new Error('silent')).then(
      () => true,
      () => false,
    )
  do await pause(CHECK_MS, signal)
  while (!signal.aborted && (await answers()))
}

/** Ends a connection that may not be able to say goodbye. BullMQ's pool then notices that it is gone. */
function destroy({ connection }: ListenClient): void {
  const stream = connection?.stream
  if (
    stream !== null &&
    typeof stream === 'object' &&
    'destroy' in stream &&
    typeof stream.destroy === 'function'
  ) {
    stream.destroy()
  }
}
